using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// What one frame needs and no later one: 150 blocks of 1 to 1,024 bytes, of which the first byte is written, all gone at the frame's
/// end. The frame arena forgets them by its reset; the others free them one by one.
/// </summary>
internal sealed class FrameWorkload(int frames, int repetitions) : BlockWorkload
{
    private const int FrameBlocks = 150;
    private const uint MostBytes = 1024;
    private const uint Seed = 42;
    private readonly ushort[] _sizes = MakeSizes();

    /// <inheritdoc/>
    public override string Name => "frame-arena";

    /// <inheritdoc/>
    public override string? Variant => null;

    /// <inheritdoc/>
    public override string Operation => "allocation of a frame";

    /// <inheritdoc/>
    public override long Operations => (long)frames * FrameBlocks;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("blocks", FrameBlocks), new("mostBytes", MostBytes), new("frames", frames), new("seed", Seed)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants => [ContestantNames.Null, ContestantNames.FrameArena, .. ContestantNames.All[1..]];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{frames}", $"{Seed}", $"{repetitions}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks =>
        [.. MixedPeaks.Find(100_000, 2 * FrameBlocks, Seed).Select(block => new BlockCount(block.Bytes, block.Count + FrameBlocks))];

    /// <inheritdoc/>
    public override uint Places => FrameBlocks;

    /// <inheritdoc/>
    public override nuint LargestBytes => MostBytes;

    /// <inheritdoc/>
    public override Measurement Measure(string contestant) =>
        contestant == ContestantNames.FrameArena ? MeasureFrameArena() : base.Measure(contestant);

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
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
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
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
            {
                allocator.Free(block);
            }
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
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
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
