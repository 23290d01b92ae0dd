// The random-mixed loop: warm, on several threads, and its longest call.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The random-mixed benchmark: a random number picks a slot of the working set; a full slot is freed, an empty one gets
/// a block of 16 to 1,039 bytes, of which the first and the last byte are written. The larger the working set, the more
/// of it is cache misses.
/// </summary>
internal sealed class MixedWorkload(uint workingSet, long operations, int repetitions) : BlockWorkload
{
    private const uint Seed = 42;

    public override string Name => "random-mixed";
    public override string? Variant => $"{workingSet}";
    public override string Operation => "allocate or free";
    public override long Operations => operations;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("workingSet", workingSet), new("operations", operations), new("seed", Seed)];
    public override IReadOnlyList<string> Contestants => ContestantNames.AllAndHardened;
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{operations}", $"{workingSet}", $"{Seed}", $"{repetitions}"];
    public override IReadOnlyList<BlockCount> Blocks => MixedLoop.Peaks(operations, workingSet, Seed);

    public override uint Places => workingSet;
    public override nuint LargestBytes => MixedLoop.MostBytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
    {
        TBlock[] slots = new TBlock[workingSet];
        slots.AsSpan().Clear();
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum;
        do
        {
            TAllocator allocator = contestant.Open();
            clock.Start();
            MixedLoop.Run(allocator, operations, slots.AsSpan(), firstPlace: 0, Seed);
            clock.Stop();
            sum = MixedLoop.Checksum<TBlock>(slots);
            MixedLoop.Clear(allocator, slots.AsSpan());
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }
}

/// <summary>
/// The random-mixed loop on several threads at once, each with a working set of its own. The time is counted per
/// operation of one thread, so it stays what it was with one when threads do not disturb each other.
/// </summary>
internal sealed class ThreadsWorkload(int threads, long operations, int repetitions) : BlockWorkload
{
    private const uint WorkingSet = 4096;

    public override string Name => "threads";
    public override string? Variant => $"{threads}";
    public override string Operation => "operation of a thread";
    public override long Operations => operations;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("threads", threads), new("workingSet", WorkingSet), new("operations", operations)];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{threads}", $"{operations}", $"{WorkingSet}", $"{repetitions}"];

    // The peaks of other seeds are a little different.
    public override IReadOnlyList<BlockCount> Blocks =>
        [.. MixedLoop.Peaks(operations, WorkingSet, 1)
            .Select(block => new BlockCount(block.Bytes, 2 * threads * block.Count))];

    public override int Threads => threads;
    public override uint Places => (uint)threads * WorkingSet;
    public override nuint LargestBytes => MixedLoop.MostBytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
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

    private void Play<TContestant, TAllocator, TBlock>(
        TContestant contestant, int number, Shift[] shifts, Barrier meeting)
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
            MixedLoop.Run(allocator, operations, slots.AsSpan(), (uint)number * WorkingSet, (uint)number + 1);
            long end = Stopwatch.GetTimestamp();
            shifts[number] = new Shift(start, end, MixedLoop.Checksum<TBlock>(slots));
            MixedLoop.Clear(allocator, slots.AsSpan());
            meeting.SignalAndWait();
        }
    }

    private readonly record struct Shift(long Start, long End, ulong Sum);
}

/// <summary>
/// The hitch: the random-mixed loop with working set 4,096, the clock read after every operation, and the longest time
/// between two readings. The empty loop has a longest one too, which is the machine's interruptions. So the
/// least of all rounds says most.
/// </summary>
internal sealed class LongestCallWorkload(long operations) : BlockWorkload
{
    private const uint WorkingSet = 4096;
    private const uint Seed = 42;

    public override string Name => "longest-call";
    public override string? Variant => null;
    public override string Operation => "longest operation";
    public override long Operations => 1;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("operations", operations), new("workingSet", WorkingSet), new("seed", Seed)];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{operations}", $"{WorkingSet}", $"{Seed}"];
    public override IReadOnlyList<BlockCount> Blocks => MixedLoop.Peaks(operations, WorkingSet, Seed);

    public override uint Places => WorkingSet;
    public override nuint LargestBytes => MixedLoop.MostBytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
    {
        TBlock[] slots = new TBlock[WorkingSet];
        slots.AsSpan().Clear();
        TAllocator allocator = contestant.Open();

        // For every contestant alike: the identical loop has been run once before.
        _ = Loop(allocator, operations, slots);
        MixedLoop.Clear(allocator, slots.AsSpan());
        profile?.BeginPart();
        long ticks = Loop(allocator, operations, slots);
        profile?.EndFrame();
        uint sum = MixedLoop.Checksum<TBlock>(slots);
        MixedLoop.Clear(allocator, slots.AsSpan());
        return new Measurement { Workload = Id, Nanoseconds = [ticks * (1e9 / Stopwatch.Frequency)], Checksum = sum };
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Loop<TAllocator, TBlock>(TAllocator allocator, long operations, TBlock[] slots)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(slots);
        uint random = Seed;
        long longest = 0;
        long before = Stopwatch.GetTimestamp();
        for (long operation = 0; operation < operations; operation++)
        {
            random = MixedLoop.Next(random);
            uint index = random % WorkingSet;
            ref TBlock slot = ref Unsafe.Add(ref first, index);
            TBlock block = slot;
            if (!block.IsNone)
            {
                allocator.Free(block);
                slot = default;
            }
            else
            {
                nuint bytes = MixedLoop.BytesOf(random);
                block = allocator.Allocate(bytes, index);
                block.First = (byte)random;
                Unsafe.Add(ref block.First, bytes - 1) = (byte)random;
                slot = block;
            }

            long now = Stopwatch.GetTimestamp();
            longest = Math.Max(longest, now - before);
            before = now;
        }

        return longest;
    }
}
