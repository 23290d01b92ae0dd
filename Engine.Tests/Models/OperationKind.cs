namespace Engine.Tests.Models;

/// <summary>What a random program may do.</summary>
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
    TrimArena,
    ResetArena,
    NewArena,
    LoadScene,
    UnloadScene,
    EndThread,
    TrimMemory,
}
