using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The end of a level with many blocks of 64 bytes: the arena throws them away at once, by a reset that keeps the memory or by a dispose
/// that gives it back to the system; everyone else frees them one by one, in the order in which they came. Allocating is not in the time.
/// </summary>
internal sealed class DisposeWorkload(int blocks, int repetitions) : BlockWorkload
{
    private const nuint BlockBytes = 64;

    /// <inheritdoc/>
    public override string Name => "dispose";

    /// <inheritdoc/>
    public override string? Variant => $"{blocks}";

    /// <inheritdoc/>
    public override string Operation => "block";

    /// <inheritdoc/>
    public override long Operations => blocks;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("blocks", blocks), new("bytes", (long)BlockBytes)];

    // What a collector or a pool does with forgotten blocks is not an operation that could be timed here.
    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants =>
        [ContestantNames.ArenaReset, ContestantNames.ArenaDispose, .. ContestantNames.All[1..].Except([ContestantNames.Gc, ContestantNames.ArrayPool])];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{blocks}", $"{repetitions}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks => [new(BlockBytes, blocks)];

    /// <inheritdoc/>
    public override uint Places => (uint)blocks;

    /// <inheritdoc/>
    public override nuint LargestBytes => BlockBytes;

    /// <inheritdoc/>
    public override Measurement Measure(string contestant) => contestant switch
    {
        ContestantNames.ArenaReset => MeasureArena(arena => arena.Reset()),
        ContestantNames.ArenaDispose => MeasureArena(arena => arena.Dispose()),
        _ => base.Measure(contestant),
    };

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
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
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
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
        {
            sum += block.First;
        }

        return sum;
    }

    private static void Free<TAllocator, TBlock>(TAllocator allocator, TBlock[] table)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        foreach (TBlock block in table)
        {
            allocator.Free(block);
        }
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
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
    }
}
