// What a workload is, and the clock of its repetitions.
using System.Diagnostics;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>A piece of work that all contestants do alike, and what is counted as one operation of it.</summary>
internal abstract class Workload
{
    /// <summary>
    /// What workloads that differ in their parameters only have in common; the name in JSON and on the command line.
    /// </summary>
    public abstract string Name { get; }

    /// <summary>The parameter by which it differs from the others of its name; null when there is just one.</summary>
    public abstract string? Variant { get; }

    /// <summary>The name of this very workload, also valid on the command line.</summary>
    public string Id => Variant is null ? Name : $"{Name}-{Variant}";

    /// <summary>What one operation is, in words.</summary>
    public abstract string Operation { get; }

    /// <summary>How many operations one repetition does.</summary>
    public abstract long Operations { get; }

    /// <summary>The numbers that define the work.</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Who takes part within this process, in the order of the tables.</summary>
    public abstract IReadOnlyList<string> Contestants { get; }

    /// <summary>
    /// What it shares with other workloads that are figures of the same run; null when it is the run's only one.
    /// </summary>
    public virtual string? OneRunWith => null;

    /// <summary>Whether the memory that it takes is one of its figures.</summary>
    public virtual bool IsMemoryAsked => false;

    /// <summary>What the native driver calls the time in its output.</summary>
    public virtual string NativeTime => "nanoseconds";

    /// <summary>Whether there is something to measure without an allocator.</summary>
    public virtual bool HasEmptyLoop => true;

    /// <summary>
    /// The arguments by which the native driver does the same work. Workloads with the same arguments are figures of
    /// one run.
    /// </summary>
    /// <param name="folder">Where a file for the driver can be put; it is there until all is done.</param>
    public abstract IReadOnlyList<string> NativeArguments(string folder);

    /// <summary>Does the work in this process.</summary>
    /// <exception cref="Common.RunFailedException">The contestant is not there.</exception>
    public abstract Measurement Measure(string contestant);

    /// <summary>What was measured, where times and a checksum are all.</summary>
    protected Measurement Measured(RepetitionClock clock, ulong checksum) =>
        new() { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = checksum };

    /// <summary>The <see cref="Id"/>.</summary>
    public override string ToString() => Id;
}

/// <summary>Work that consists of allocating and freeing blocks, so that every allocator can do it.</summary>
internal abstract class BlockWorkload : Workload
{
    public override IReadOnlyList<string> Contestants => ContestantNames.All;

    /// <summary>
    /// What a level load would prewarm for it: the most live blocks, without those that thread caches hold back.
    /// </summary>
    public abstract IReadOnlyList<BlockCount> Blocks { get; }

    /// <summary>
    /// The SuperSlabs that the load prewarms for <see cref="Blocks"/> to live in together, where they are of sizes that
    /// follow one another; 0 where each size is prewarmed by itself.
    /// </summary>
    public virtual int TogetherSuperSlabs => 0;

    public virtual int Threads => 1;

    /// <summary>The places that the work keeps blocks at.</summary>
    public abstract uint Places { get; }

    public abstract nuint LargestBytes { get; }
    public override Measurement Measure(string contestant) => ContestantHost.Measure(this, contestant);

    /// <summary>Does the work on an allocator that nobody has used.</summary>
    /// <param name="profile">Takes the repetitions for frames; null where times are measured.</param>
    public abstract Measurement Run<TContestant, TAllocator, TBlock>(
        TContestant contestant, SampleProfile? profile = null)
        where TContestant : struct, IContestant<TAllocator>
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock;
}

/// <summary>A number that defines a workload, by the name it has in JSON.</summary>
internal readonly record struct Parameter(string Name, long Value);

/// <summary>
/// Times the repetitions of a piece of work. The first is the warm-up and does not count: it has the code compiled and
/// the memory found.
/// <code>
///   do { clock.Start(); work; clock.Stop(); } while (clock.GoesOn);
/// </code>
/// </summary>
/// <param name="profile">Takes those for frames, where no times are measured.</param>
internal sealed class RepetitionClock(int repetitions, SampleProfile? profile = null)
{
    private readonly long[] _ticks = new long[repetitions + 1];
    private int _done;
    private long _start;

    /// <summary>Whether there is another repetition to do.</summary>
    public bool GoesOn => _done < _ticks.Length;

    public void Start()
    {
        BeginFrame();
        _start = Stopwatch.GetTimestamp();
    }

    public void Stop()
    {
        long ticks = Stopwatch.GetTimestamp() - _start;
        EndFrame();
        Add(ticks);
    }

    /// <summary>Begins a repetition for the profile alone: threads time it themselves.</summary>
    public void BeginFrame()
    {
        if (_done > 0)
            profile?.BeginPart();
    }

    /// <summary>Ends it, before it is added.</summary>
    public void EndFrame()
    {
        if (_done > 0)
            profile?.EndFrame();
    }

    /// <summary>Adds a repetition that threads timed themselves.</summary>
    public void Add(long ticks) => _ticks[_done++] = ticks;

    /// <summary>Nanoseconds per operation of the repetitions that count.</summary>
    /// <param name="operations">The operations of each.</param>
    public double[] Nanoseconds(long operations) =>
        Array.ConvertAll(_ticks[1..], ticks => ticks * (1e9 / Stopwatch.Frequency) / operations);
}
