namespace Engine.Tests.Models;

/// <summary>One operation of a random program. What its numbers mean depends on its kind; any numbers are a valid
/// operation.</summary>
internal readonly record struct Operation(OperationKind Kind, int Actor, int Which, int Size)
{
    public override string ToString() => $"{Kind}({Actor}, {Which}, {Size})";
}

/// <summary>What a random program may do. ENGINE_MODEL_WITHOUT names those, with commas between, that are left
/// out.</summary>
internal enum OperationKind
{
    Allocate,
    AllocateByHandle,
    AllocateAligned,
    AllocateZeroed,
    Reallocate,
    Free,
    FreeByHandle,
    FreeMany,
    Bump,
    BumpAligned,
    BeginScope,
    EndScope,
    NextFrame,
    TrimFrame,

    /// <summary>Takes a mark that stays.</summary>
    TakeMark,

    /// <summary>Rewinds to any mark that was taken in the frame, whatever was rewound since.</summary>
    RewindToMark,
    TrimArena,
    ResetArena,
    NewArena,
    LoadScene,
    UnloadScene,
    EndThread,
    TrimMemory,

    /// <summary>Reallocates a block to an extent of 2 to 40 MiB.</summary>
    GrowExtent,
    Prewarm,

    /// <summary>A prewarm that must fail, for want of budget.</summary>
    PrewarmOverBudget,

    /// <summary>A prewarm that must fail, for want of address space.</summary>
    PrewarmOverReservation,

    /// <summary>A prewarm while the system gives nothing; it may do with what is ready.</summary>
    PrewarmRefused,

    /// <summary>An arena that nothing lives in may use its whole budget, whatever its blocks were before.</summary>
    FillBudget,

    /// <summary>Other limits for an arena that is in use.</summary>
    ChangeBudget,

    /// <summary>Disposes an arena whose handle is used afterwards, when another arena has its number.</summary>
    DisposeArena,

    /// <summary>Disposes the frame arena whose lane is used afterwards, when another lies where it lay.</summary>
    DisposeFrames,

    /// <summary>A frame in plan, which makes no OS call whatever was before.</summary>
    PlayPlan,

    /// <summary>A frame over plan.</summary>
    PlayOverPlan,
    Snapshot,
}
