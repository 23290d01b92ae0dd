using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.RandomMixed;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The random-mixed benchmark: a random number picks a slot of the working set; a full slot is freed, an empty one gets a block of 16 to
/// 1,039 bytes, of which the first and the last byte are written. The larger the working set, the more of it is cache misses.
/// </summary>
internal sealed class MixedWorkload(uint workingSet, long operations, int repetitions) : BlockWorkload
{
    private const uint Seed = 42;
    private const nuint MostBytes = 1039;

    /// <inheritdoc/>
    public override string Name => "random-mixed";

    /// <inheritdoc/>
    public override string? Variant => $"{workingSet}";

    /// <inheritdoc/>
    public override string Operation => "allocate or free";

    /// <inheritdoc/>
    public override long Operations => operations;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Parameters => [new("workingSet", workingSet), new("operations", operations), new("seed", Seed)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Contestants => ContestantNames.AllAndHardened;

    /// <inheritdoc/>
    public override IReadOnlyList<string> NativeArguments(string folder) => [Name, $"{operations}", $"{workingSet}", $"{Seed}", $"{repetitions}"];

    /// <inheritdoc/>
    public override IReadOnlyList<BlockCount> Blocks => MixedPeaks.Find((ulong)operations, workingSet, Seed);

    /// <inheritdoc/>
    public override uint Places => workingSet;

    /// <inheritdoc/>
    public override nuint LargestBytes => MostBytes;

    /// <inheritdoc/>
    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile = null)
    {
        TBlock[] slots = new TBlock[workingSet];
        slots.AsSpan().Clear();
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum;
        do
        {
            TAllocator allocator = contestant.Open();
            clock.Start();
            Loop(allocator, operations, slots, firstPlace: 0, Seed);
            clock.Stop();
            sum = Checksum(slots);
            Clear(allocator, slots);
        }
        while (clock.GoesOn);
        return new Measurement { Workload = Id, Nanoseconds = clock.Nanoseconds(Operations), Checksum = sum };
    }

    /// <summary>Does the operations.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Loop<TAllocator, TBlock>(TAllocator allocator, long operations, TBlock[] slots, uint firstPlace, uint seed)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(slots);
        uint workingSet = (uint)slots.Length;
        uint random = seed;
        for (long operation = 0; operation < operations; operation++)
        {
            random = MixedLoop.Next(random);
            uint index = random % workingSet;
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
                block = allocator.Allocate(bytes, firstPlace + index);
                block.First = (byte)random;
                Unsafe.Add(ref block.First, bytes - 1) = (byte)random;
                slot = block;
            }
        }
    }

    /// <summary>A number made of which slots are full and of what stands in their blocks.</summary>
    public static uint Checksum<TBlock>(TBlock[] slots)
        where TBlock : struct, IBlock
    {
        uint sum = 2166136261;
        for (uint index = 0; index < slots.Length; index++)
        {
            if (!slots[index].IsNone)
            {
                sum = ((sum ^ index) * 16777619) ^ slots[index].First;
            }
        }

        return sum;
    }

    /// <summary>Frees what is left.</summary>
    public static void Clear<TAllocator, TBlock>(TAllocator allocator, TBlock[] slots)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        foreach (ref TBlock slot in slots.AsSpan())
        {
            if (!slot.IsNone)
            {
                allocator.Free(slot);
                slot = default;
            }
        }
    }
}
