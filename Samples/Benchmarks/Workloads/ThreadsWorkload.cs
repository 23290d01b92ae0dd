using System.Diagnostics;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The random-mixed loop on several threads at once, each with a working set of its own. The time is counted per operation of one
/// thread, so it stays what it was with one when threads do not disturb each other.
/// </summary>
internal sealed class ThreadsWorkload(int threads, long operations, int repetitions) : BlockWorkload
{
    private const uint WorkingSet = 4096;
    private const nuint MostBytes = 1039;

    /// <inheritdoc/>
    public override string Name => "threads";

    /// <inheritdoc/>
    public override string? Variant => $"{threads}";

    /// <inheritdoc/>
    public override string Operation => "operation of a thread";

    /// <inheritdoc/>
    public override long Operations => operations;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("threads", threads), new("workingSet", WorkingSet), new("operations", operations)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{threads}", $"{operations}", $"{WorkingSet}", $"{repetitions}"];

    // The peaks of other seeds are a little different.
    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks =>
        [.. MixedPeaks.Find((ulong)operations, WorkingSet, 1).Select(block => new BlockCount(block.Bytes, 2 * threads * block.Count))];

    /// <inheritdoc/>
    public override int Threads => threads;

    /// <inheritdoc/>
    public override uint Places => (uint)threads * WorkingSet;

    /// <inheritdoc/>
    public override nuint LargestBytes => MostBytes;

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
    {
        var clock = new RepetitionClock(repetitions, profile);
        using var meeting = new Barrier(threads + 1);
        Shift[] shifts = new Shift[threads];
        Thread[] players = new Thread[threads];
        for (int number = 0; number < threads; number++)
        {
            int own = number;
            players[own] = new Thread(() => Play<TContestant, TAllocator, TBlock>(contestant, own, shifts, meeting));
            players[own].Start();
        }

        do
        {
            // The players look at the clock, because this thread may get a processor only when they are done.
            clock.BeginFrame();
            meeting.SignalAndWait();
            meeting.SignalAndWait();
            clock.EndFrame();
            clock.Add(shifts.Max(shift => shift.End) - shifts.Min(shift => shift.Start));
        }
        while (clock.GoesOn);
        Array.ForEach(players, player => player.Join());
        return new Measurement
        {
            Workload = Id,
            Nanoseconds = clock.Nanoseconds(Operations),
            Checksum = shifts.Aggregate(0UL, (all, shift) => (all * 31) + shift.Sum),
        };
    }

    private void Play<TContestant, TAllocator, TBlock>(TContestant contestant, int number, Shift[] shifts, Barrier meeting)
        where TContestant : struct, IContestant<TAllocator>
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        TBlock[] slots = new TBlock[WorkingSet];
        slots.AsSpan().Clear();
        TAllocator allocator = contestant.Open();
        for (int repetition = 0; repetition <= repetitions; repetition++)
        {
            meeting.SignalAndWait();
            long start = Stopwatch.GetTimestamp();
            MixedWorkload.Loop(allocator, operations, slots, (uint)number * WorkingSet, (uint)number + 1);
            long end = Stopwatch.GetTimestamp();
            shifts[number] = new Shift(start, end, MixedWorkload.Checksum(slots));
            MixedWorkload.Clear(allocator, slots);
            meeting.SignalAndWait();
        }
    }

    private readonly record struct Shift(long Start, long End, ulong Sum);
}
