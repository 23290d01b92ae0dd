namespace Samples.GameReplay.Scripts;

/// <summary>What a player thread is told to do.</summary>
internal enum OperationKind : byte
{
    Allocate,
    AllocateAligned,
    AllocateZeroed,
    Free,
    Resize,

    /// <summary>Goes on only when another thread has come as far as this one's next block demands.</summary>
    Wait,
}
