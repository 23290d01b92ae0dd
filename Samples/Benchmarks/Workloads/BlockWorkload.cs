using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>Work that consists of allocating and freeing blocks, so that every allocator can do it.</summary>
internal abstract class BlockWorkload : Workload
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants => ContestantNames.All;

    /// <summary>What a level load would prewarm for it: the most live blocks, without those that thread caches hold back.</summary>
    public abstract IReadOnlyList<BlockCount> Blocks { get; }

    /// <summary>The threads that do the work.</summary>
    public virtual int Threads => 1;

    /// <summary>The places that the work keeps blocks at.</summary>
    public abstract uint Places { get; }

    /// <summary>The largest block, in bytes.</summary>
    public abstract nuint LargestBytes { get; }

    /// <inheritdoc/>
    public override Measurement Measure(string contestant) => ContestantHost.Measure(this, contestant);

    /// <summary>Does the work on an allocator that nobody has used.</summary>
    /// <param name="contestant">The allocator.</param>
    /// <param name="profile">Takes the repetitions for frames; null where times are measured.</param>
    public abstract Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
        where TContestant : struct, IContestant<TAllocator>
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock;
}
