using System.Runtime.InteropServices;

namespace SuperSlab;

// What SampleTables keep, and what is read of them.

/// <summary>
/// One stream of allocations, of which samples are taken: a thread's in an arena, or all that no cache counts. Its
/// owner writes it, and others <see cref="Tables"/>, and <see cref="Next"/> under the tables' lock.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SamplePoint
{
    /// <summary>A <see cref="Next"/> that is reached at once, and then drawn.</summary>
    public const long NotDrawn = 0;
    public const long Never = long.MaxValue;

    /// <summary>Null until the memory is sampled for the first time.</summary>
    public SampleTables* Tables;

    /// <summary>Only rises.</summary>
    public long AllocatedBytes;

    /// <summary>The allocation that brings <see cref="AllocatedBytes"/> here is a sample.</summary>
    public long Next;
}

/// <summary>A call stack and a tag, with all samples of them.</summary>
internal struct SampledSite
{
    public int Tag;
    public int FirstFrame;
    public int FrameCount;
    public long Samples;

    /// <summary>The bytes that its samples stand for, with their variance.</summary>
    public long Bytes;
    public double Variance;
}

/// <summary>A sampled block that lives.</summary>
internal struct SampledBlock
{
    public int Site;

    /// <summary>Neighbours' slots and 1 in the list of the slab; 0 for none.</summary>
    public int NextInSlab;
    public int PreviousInSlab;
    public long Bytes;

    /// <summary>The bytes that it stands for.</summary>
    public long Weight;
}

/// <summary>How much the tables have room for.</summary>
/// <param name="Blocks">Live sampled blocks, a multiple of 8.</param>
/// <param name="Sites">Call stacks with their tags, those without a stack included.</param>
/// <param name="Frames">Return addresses in all of them.</param>
internal readonly record struct SampleLimits(int Blocks, int Sites, int Frames)
{
    /// <summary>About 3 MiB.</summary>
    public static SampleLimits Default => new(Blocks: 1 << 15, Sites: 1 << 13, Frames: 1 << 17);
}

internal struct SampleCounts
{
    public int Sites;
    public int Frames;
    public long Samples;
    public long LiveCount;

    /// <summary>Samples whose blocks found no room: they count as allocated, and never as live.</summary>
    public long UnkeptBlocks;

    /// <summary>Samples whose call stacks found no room.</summary>
    public long UnkeptStacks;
}

/// <summary>A copy of what was sampled.</summary>
/// <param name="MeanBytes">Bytes between two samples, on average.</param>
/// <param name="Counts">What was counted beside them.</param>
/// <param name="Sites">Call stacks with their tags, with all that was allocated.</param>
/// <param name="Frames">The return addresses of all sites.</param>
/// <param name="Live">The sampled blocks that live.</param>
internal sealed record SampleReading(
    long MeanBytes, SampleCounts Counts, SampledSite[] Sites, nuint[] Frames, SampledBlock[] Live)
{
    public ReadOnlySpan<nuint> StackOf(in SampledSite site) => Frames.AsSpan(site.FirstFrame, site.FrameCount);
}
