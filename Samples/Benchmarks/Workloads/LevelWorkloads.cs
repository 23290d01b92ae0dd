// What a game does with whole levels and frames: prewarm, frame arena, dispose.
using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// A level load that wants much memory resident: the engine's prewarm, beside an allocation in C of which a byte in
/// each page is written. "null (C)" is the kernel alone: one mapping, huge pages allowed, populated by one call. Giving
/// the memory back is not in the time.
/// </summary>
internal sealed class PrewarmWorkload(int mebibytes, int repetitions) : Workload
{
    private const nuint BlockBytes = 1 << 20;

    public override string Name => "prewarm";
    public override string? Variant => null;
    public override string Operation => "MiB made resident";
    public override long Operations => mebibytes;
    public override IReadOnlyList<Parameter> Parameters => [new("mebibytes", mebibytes)];
    public override IReadOnlyList<string> Contestants => [ContestantNames.Engine];
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{mebibytes}", $"{repetitions}"];

    public override Measurement Measure(string contestant)
    {
        var clock = new RepetitionClock(repetitions);
        ulong stillFaulting = 0;
        do
        {
            using var memory = new EngineMemory();
            using LongLivedArena arena = memory.CreateLongLivedArena("level");
            clock.Start();
            nuint bytes = arena.Prewarm([new BlockCount(BlockBytes, mebibytes)], threads: 1);
            clock.Stop();
            stillFaulting += (ulong)Math.Max(memory.PagesThatWouldFault(memory.ReservationBase, bytes), 0);
        }
        while (clock.GoesOn);
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = stillFaulting };
    }
}

/// <summary>
/// What one frame needs and no later one: 150 blocks of 1 to 1,024 bytes, of which the first byte is written, all gone
/// at the frame's end. The frame arena forgets them by its reset; the others free them one by one.
/// </summary>
internal sealed class FrameWorkload(int frames, int repetitions) : BlockWorkload
{
    private const int FrameBlocks = 150;
    private const uint MostBytes = 1024;
    private const uint Seed = 42;
    private readonly ushort[] _sizes = MakeSizes();

    public override string Name => "frame-arena";
    public override string? Variant => null;
    public override string Operation => "allocation of a frame";
    public override long Operations => (long)frames * FrameBlocks;
    public override IReadOnlyList<Parameter> Parameters =>
        [new("blocks", FrameBlocks), new("mostBytes", MostBytes), new("frames", frames), new("seed", Seed)];
    public override IReadOnlyList<string> Contestants =>
        [ContestantNames.Null, ContestantNames.FrameArena, .. ContestantNames.All[1..]];
    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{frames}", $"{Seed}", $"{repetitions}"];

    public override IReadOnlyList<BlockCount> Blocks =>
        [.. MixedLoop.Peaks(100_000, 2 * FrameBlocks, Seed)
            .Select(block => new BlockCount(block.Bytes, block.Count + FrameBlocks))];

    public override uint Places => FrameBlocks;
    public override nuint LargestBytes => MostBytes;

    public override Measurement Measure(string contestant) =>
        contestant == ContestantNames.FrameArena ? MeasureFrameArena() : base.Measure(contestant);

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
    {
        TBlock[] blocks = new TBlock[FrameBlocks];
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum;
        do
        {
            TAllocator allocator = contestant.Open();
            clock.Start();
            sum = Loop(allocator, frames, _sizes, blocks);
            clock.Stop();
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong Loop<TAllocator, TBlock>(TAllocator allocator, int frames, ushort[] sizes, TBlock[] blocks)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ulong sum = 0;
        for (int frame = 0; frame < frames; frame++)
        {
            for (uint index = 0; index < FrameBlocks; index++)
            {
                TBlock block = allocator.Allocate(sizes[index], index);
                block.First = (byte)(frame + index);
                blocks[index] = block;
            }

            sum += blocks[FrameBlocks / 2].First;
            foreach (TBlock block in blocks)
                allocator.Free(block);
        }

        return sum;
    }

    private Measurement MeasureFrameArena()
    {
        using var memory = new EngineMemory();
        using FrameArena arena = memory.CreateFrameArena("frames");
        var clock = new RepetitionClock(repetitions);
        ulong sum;
        do
        {
            clock.Start();
            sum = FrameArenaLoop(arena, frames, _sizes);
            clock.Stop();
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe ulong FrameArenaLoop(FrameArena arena, int frames, ushort[] sizes)
    {
        ulong sum = 0;
        for (int frame = 0; frame < frames; frame++)
        {
            arena.NextFrame();
            FrameLane lane = arena.Lane(0);
            byte* middle = null;
            for (uint index = 0; index < FrameBlocks; index++)
            {
                byte* block = (byte*)lane.Allocate(sizes[index]);
                *block = (byte)(frame + index);
                middle = index == FrameBlocks / 2 ? block : middle;
            }

            sum += *middle;
        }

        return sum;
    }

    private static ushort[] MakeSizes()
    {
        ushort[] sizes = new ushort[FrameBlocks];
        uint random = Seed;
        for (int index = 0; index < FrameBlocks; index++)
        {
            random = MixedLoop.Next(random);
            sizes[index] = (ushort)(1 + ((random >> 8) % MostBytes));
        }

        return sizes;
    }
}

/// <summary>
/// The end of a level with many blocks of 64 bytes: the arena throws them away at once, by a reset that keeps the
/// memory or by a dispose that gives it back to the system; everyone else frees them one by one, in the order in which
/// they came. Allocating is not in the time.
/// </summary>
internal sealed class DisposeWorkload(int blocks, int repetitions) : BlockWorkload
{
    private const nuint BlockBytes = 64;

    public override string Name => "dispose";
    public override string? Variant => $"{blocks}";
    public override string Operation => "block";
    public override long Operations => blocks;
    public override IReadOnlyList<Parameter> Parameters => [new("blocks", blocks), new("bytes", (long)BlockBytes)];

    // What a collector or a pool does with forgotten blocks is not an operation that could be timed here.
    public override IReadOnlyList<string> Contestants =>
    [
        ContestantNames.ArenaReset, ContestantNames.ArenaDispose,
        .. ContestantNames.All[1..].Except([ContestantNames.Gc, ContestantNames.ArrayPool]),
    ];

    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{blocks}", $"{repetitions}"];
    public override IReadOnlyList<BlockCount> Blocks => [new(BlockBytes, blocks)];
    public override uint Places => (uint)blocks;
    public override nuint LargestBytes => BlockBytes;

    public override Measurement Measure(string contestant) => contestant switch
    {
        ContestantNames.ArenaReset => MeasureArena(arena => arena.Reset()),
        ContestantNames.ArenaDispose => MeasureArena(arena => arena.Dispose()),
        _ => base.Measure(contestant),
    };

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
    {
        TBlock[] table = new TBlock[blocks];
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum;
        do
        {
            TAllocator allocator = contestant.Open();
            sum = Fill(allocator, table);
            clock.Start();
            Free(allocator, table);
            clock.Stop();
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }

    private static ulong Fill<TAllocator, TBlock>(TAllocator allocator, TBlock[] table)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        for (uint index = 0; index < table.Length; index++)
        {
            table[index] = allocator.Allocate(BlockBytes, index);
            table[index].First = (byte)index;
        }

        ulong sum = 0;
        foreach (TBlock block in table)
            sum += block.First;

        return sum;
    }

    private static void Free<TAllocator, TBlock>(TAllocator allocator, TBlock[] table)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        foreach (TBlock block in table)
            allocator.Free(block);
    }

    private Measurement MeasureArena(Action<LongLivedArena> end)
    {
        Address[] table = new Address[blocks];
        using var memory = new EngineMemory();
        var clock = new RepetitionClock(repetitions);
        ulong sum;
        do
        {
            using LongLivedArena arena = memory.CreateLongLivedArena("level");
            arena.Prewarm([new BlockCount(BlockBytes, blocks)], threads: 1);
            sum = Fill(new HandleContestant(arena).Open(), table);
            clock.Start();
            end(arena);
            clock.Stop();
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }
}
