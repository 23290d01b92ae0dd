using System.Runtime.InteropServices;

namespace Samples.Benchmarks.Workloads;

/// <summary>How far the two sides of a <see cref="Ring{TBlock}"/> have come. What one side writes lies two cache lines from what the other does.</summary>
[StructLayout(LayoutKind.Explicit, Size = 384)]
internal struct RingCounts
{
    /// <summary>The blocks added; the producer writes it.</summary>
    [FieldOffset(128)]
    public long Added;

    /// <summary>What the producer last saw of <see cref="Taken"/>.</summary>
    [FieldOffset(136)]
    public long TakenAsSeen;

    /// <summary>The blocks taken; the consumer writes it.</summary>
    [FieldOffset(256)]
    public long Taken;

    /// <summary>What the consumer last saw of <see cref="Added"/>.</summary>
    [FieldOffset(264)]
    public long AddedAsSeen;
}
