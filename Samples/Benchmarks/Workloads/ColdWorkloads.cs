// Work on memory that has to be got while it runs: how much that memory is.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// A loop once, on an arena that nothing prewarmed: the peak of resident memory. The time is shown too; most of it is
/// the kernel's.
/// </summary>
internal abstract class ColdWorkload(long operations) : Workload
{
    private const long RehearsedOperations = 20_000;

    public override string Operation => "allocate or free";
    public override long Operations => operations;
    public override bool IsMemoryAsked => true;
    public override bool HasEmptyLoop => false;

    public override Measurement Measure(string contestant)
    {
        ContestantHost.Prepare(contestant);

        // All code is compiled and all tables are written before the base line is taken.
        _ = Measure(RehearsedOperations);
        return Measure(operations);
    }

    /// <summary>Makes the tables empty; the first time, makes them. Every process makes the whole catalog, so a
    /// workload that is not measured has none.</summary>
    protected abstract void Clear();

    /// <summary>Does the operations, and leaves the blocks.</summary>
    /// <returns>The checksum of what they leave.</returns>
    protected abstract ulong Run(HandleAllocator allocator, long count);

    private Measurement Measure(long count)
    {
        Clear();
        GC.Collect();
        _ = ResidentMemory.TryResetPeak();
        long baseLine = ResidentMemory.Bytes();
        using var memory = new EngineMemory();
        using LongLivedArena arena = memory.CreateLongLivedArena("cold");
        HandleAllocator allocator = new HandleContestant(arena).Open();
        long start = Stopwatch.GetTimestamp();
        ulong checksum = Run(allocator, count);
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        return new Measurement
        {
            Workload = Id,
            Nanoseconds = [time.TotalNanoseconds / count],
            Checksum = checksum,
            PeakResidentBytes = Math.Max(ResidentMemory.PeakBytes() - baseLine, 0),
            MetadataBytes = (long)memory.MetadataBytes,
        };
    }
}

/// <summary>The random-mixed loop.</summary>
internal sealed class MixedColdWorkload(uint workingSet, long operations) : ColdWorkload(operations)
{
    private const uint Seed = 42;

    public override string Name => "random-mixed-cold";
    public override string? Variant => $"{workingSet}";
    public override IReadOnlyList<Parameter> Parameters =>
        [new("workingSet", workingSet), new("operations", Operations), new("seed", Seed)];
    public override IReadOnlyList<string> Contestants => [ContestantNames.HandleCold];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{Operations}", $"{workingSet}", $"{Seed}"];

    private Address[] Slots => field ??= new Address[workingSet];

    protected override void Clear() => Slots.AsSpan().Clear();

    protected override ulong Run(HandleAllocator allocator, long count)
    {
        MixedLoop.Run(allocator, count, Slots.AsSpan(), firstPlace: 0, Seed);
        return MixedLoop.Checksum<Address>(Slots);
    }
}

/// <summary>
/// Sizes that drift, as from level to level: some 64 MiB live, in blocks whose sizes are uniform in their logarithm,
/// within a factor of four of a middle that wanders from 256 bytes to 128 KiB and back. A random block is freed, the
/// next one has a size of now, and a byte of each of its pages is written. What the sizes of before no longer need is
/// to serve those of now.
/// </summary>
internal sealed class DriftWorkload(long operations) : ColdWorkload(operations)
{
    private const uint Seed = 42;
    private const nuint LiveBytes = 64 << 20;
    private const long TurnOperations = 4_000_000;
    private const int MostBlocks = 1 << 20;
    private const nuint TouchBytes = 4096;

    /// <summary>Logarithms of sizes, in units of 1/256: the smallest middle, how far it wanders, and how far blocks are
    /// from it at most.</summary>
    private const int LeastMiddle = 8 << 8;
    private const int Wandering = 9 << 8;
    private const int Spread = 2 << 8;

    public override string Name => "drift";
    public override string? Variant => null;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("operations", Operations), new("liveBytes", (long)LiveBytes), new("seed", Seed)];
    public override IReadOnlyList<string> Contestants => [ContestantNames.HandleCold, ContestantNames.HandleOnDemand];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{Operations}", $"{LiveBytes}", $"{TurnOperations}", $"{Seed}"];

    private (Address Block, uint Bytes)[] Live => field ??= new (Address, uint)[MostBlocks];

    protected override void Clear() => Live.AsSpan().Clear();

    [MethodImpl(MethodImplOptions.NoInlining)]
    protected override ulong Run(HandleAllocator allocator, long count)
    {
        Span<(Address Block, uint Bytes)> live = Live;
        uint random = Seed;
        uint blocks = 0;
        nuint liveBytes = 0;
        for (long operation = 0; operation < count; operation++)
        {
            random = MixedLoop.Next(random);
            if (liveBytes < LiveBytes && (random & 3) != 0)
            {
                uint bytes = BytesOf(random, operation);
                Address block = allocator.Allocate(bytes, blocks);
                Touch(ref block.First, bytes, (byte)random);
                live[(int)blocks++] = (block, bytes);
                liveBytes += bytes;
            }
            else if (blocks != 0)
            {
                int index = (int)((random >> 2) % blocks--);
                allocator.Free(live[index].Block);
                liveBytes -= live[index].Bytes;
                live[index] = live[(int)blocks];
            }
        }

        ulong sum = liveBytes;
        foreach ((Address block, _) in live[..(int)blocks])
            sum = (sum * 31) + block.First;

        return sum;
    }

    private static uint BytesOf(uint random, long operation)
    {
        int turn = (int)(operation % TurnOperations * 2 * Wandering / TurnOperations);
        int middle = LeastMiddle + Math.Min(turn, (2 * Wandering) - turn);
        int logarithm = middle + (int)((random >> 8) & ((2 * Spread) - 1)) - Spread;
        return ((256u + (uint)(logarithm & 255)) << (logarithm >> 8)) >> 8;
    }

    private static void Touch(ref byte first, nuint bytes, byte value)
    {
        for (nuint offset = 0; offset < bytes; offset += TouchBytes)
            Unsafe.Add(ref first, offset) = value;

        Unsafe.Add(ref first, bytes - 1) = value;
    }
}
