using System.Runtime.InteropServices;

namespace Engine.Arenas;

/// <summary>
/// A stretch of memory that one buffer of one lane bumps through. The first is the lane's share of the arena's own memory; those after it
/// came with an overflow and stay for the frames to come, until one of them needs a larger one in their place.
/// While its arena lives a chunk is used for nothing but chunks, also when it has no memory: a profiler may walk a chain that changes.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal unsafe struct FrameChunk
{
    public byte* Start;
    public nuint Bytes;
    public FrameChunk* Next;

    /// <summary>The SuperSlabs behind an overflow chunk; a count of 0 in the first chunk.</summary>
    public int SuperSlab;
    public int SuperSlabCount;
}
