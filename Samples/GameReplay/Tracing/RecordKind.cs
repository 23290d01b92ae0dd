namespace Samples.GameReplay.Tracing;

/// <summary>What a record says; the values are the opcodes of the file.</summary>
internal enum RecordKind : byte
{
    None = 0,
    Alloc = 1,
    AllocAligned = 2,
    Free = 3,
    Realloc = 4,
    Thread = 5,
    Frame = 6,
    AllocZeroed = 7,
}
