using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay.Scripts;
using SuperSlab;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// Threads that die and hand on their blocks, as the threads of a server do (P. Larson, M. Krishnan, "Memory allocation
/// for long-running server applications", ISMM 1998): two at a time, each with a table of blocks of 16 to 1,039 bytes
/// of which it replaces random ones; then both end, and the next two go on with each other's tables. Starting and
/// ending the threads is part of the time.
/// </summary>
internal sealed class ServerWorkload(int generations, int replacements, int repetitions) : BlockWorkload
{
    private const int Tables = 2;
    private const uint TableBlocks = 1000;

    public override string Name => "server";
    public override string? Variant => null;
    public override string Operation => "block replaced";
    public override long Operations => (long)generations * Tables * replacements;

    public override IReadOnlyList<Parameter> Parameters =>
    [
        new("generations", generations), new("threads", Tables), new("replacements", replacements),
        new("blocks", TableBlocks),
    ];

    public override IReadOnlyList<string> NativeArguments(string folder) =>
        [Name, $"{generations}", $"{replacements}", $"{repetitions}"];

    // More of each class than random sizes ever bring together.
    public override IReadOnlyList<BlockCount> Blocks =>
        [.. MixedLoop.Peaks(1_000_000, Tables * TableBlocks, 1)
            .Select(block => new BlockCount(block.Bytes, 3 * block.Count))];

    public override int Threads => Tables;
    public override uint Places => Tables * TableBlocks;
    public override nuint LargestBytes => MixedLoop.MostBytes;

    public override Measurement Run<TContestant, TAllocator, TBlock>(TContestant contestant, SampleProfile? profile)
    {
        TBlock[][] tables = [new TBlock[TableBlocks], new TBlock[TableBlocks]];
        var clock = new RepetitionClock(repetitions, profile);
        ulong sum = 0;
        do
        {
            clock.Start();
            for (int generation = 0; generation < generations; generation++)
                Live<TContestant, TAllocator, TBlock>(contestant, tables, generation);

            clock.Stop();
            TAllocator allocator = contestant.Open();
            foreach (TBlock[] table in tables)
            {
                sum = (sum * 31) + MixedLoop.Checksum<TBlock>(table);
                MixedLoop.Clear(allocator, table.AsSpan());
            }
        }
        while (clock.GoesOn);
        return Measured(clock, sum);
    }

    private void Live<TContestant, TAllocator, TBlock>(TContestant contestant, TBlock[][] tables, int generation)
        where TContestant : struct, IContestant<TAllocator>
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        Thread[] threads = new Thread[Tables];
        for (int number = 0; number < Tables; number++)
        {
            int table = (number + generation) % Tables;
            uint seed = (uint)((generation * Tables) + number + 1);
            threads[number] = new Thread(
                () => Loop(contestant.Open(), replacements, tables[table], (uint)table * TableBlocks, seed));
        }

        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Loop<TAllocator, TBlock>(
        TAllocator allocator, int replacements, TBlock[] slots, uint firstPlace, uint seed)
        where TAllocator : struct, IAllocator<TBlock>, allows ref struct
        where TBlock : struct, IBlock
    {
        ref TBlock first = ref MemoryMarshal.GetArrayDataReference(slots);
        uint random = seed;
        for (int replacement = 0; replacement < replacements; replacement++)
        {
            random = MixedLoop.Next(random);
            uint index = random % TableBlocks;
            ref TBlock slot = ref Unsafe.Add(ref first, index);
            if (!slot.IsNone)
                allocator.Free(slot);

            nuint bytes = MixedLoop.BytesOf(random);
            TBlock block = allocator.Allocate(bytes, firstPlace + index);
            block.First = (byte)random;
            Unsafe.Add(ref block.First, bytes - 1) = (byte)random;
            slot = block;
        }
    }
}
