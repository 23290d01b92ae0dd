using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The hitch: the random-mixed loop with working set 4,096, the clock read after every operation, and the longest time between two
/// readings. The empty loop has a longest one too, which is the machine's: whoever interrupts it. So the least of all rounds says most.
/// </summary>
internal sealed class LongestCallWorkload(long operations) : BlockWorkload
{
    private const uint WorkingSet = 4096;
    private const uint Seed = 42;
    private const nuint MostBytes = 1039;

    /// <inheritdoc/>
    public override string Name => "longest-call";

    /// <inheritdoc/>
    public override string? Variant => null;

    /// <inheritdoc/>
    public override string Operation => "longest operation";

    /// <inheritdoc/>
    public override long Operations => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("operations", operations), new("workingSet", WorkingSet), new("seed", Seed)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{operations}", $"{WorkingSet}", $"{Seed}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks => MixedPeaks.Find((ulong)operations, WorkingSet, Seed);

    /// <inheritdoc/>
    public override uint Places => WorkingSet;

    /// <inheritdoc/>
    public override nuint LargestBytes => MostBytes;

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
    {
        TBlock[] slots = new TBlock[WorkingSet];
        slots.AsSpan().Clear();
        TAllocator allocator = contestant.Open();

        // For every contestant alike: the identical loop has been run once before.
        _ = Loop(allocator, operations, slots);
        MixedWorkload.Clear(allocator, slots);
        profile?.BeginPart();
        long ticks = Loop(allocator, operations, slots);
        profile?.EndFrame();
        uint sum = MixedWorkload.Checksum(slots);
        MixedWorkload.Clear(allocator, slots);
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
