// What --small-arenas does.
using System.Diagnostics;
using System.Globalization;
using Samples.Benchmarks.Reporting;
using Samples.Common;
using SuperSlab;

namespace Samples.Benchmarks.Lifetimes;

/// <summary>
/// What the arenas of thousands of scripts cost: each is made, filled with some 30 KB in blocks of 16 bytes to 2 KiB,
/// and disposed when all are alive. Beside them long-lived arenas, which have whole SuperSlabs, as many as fit.
/// </summary>
internal static unsafe class SmallArenasProgram
{
    private const string LongLivedName = "long-lived arenas";
    private const int Arenas = 10_000;
    private const int LongLivedArenas = 200;
    private const nuint ScriptBytes = 30_000;
    private const nuint LargestBlock = 2_000;

    /// <summary>The bound: a multiple of the live bytes, and a number of bytes for each arena.</summary>
    private const double LiveFactor = 1.3;
    private const long BytesBesides = 64 << 10;

    /// <returns>The exit code: failure where the bound or the promise of a prewarm does not hold.</returns>
    public static int Run(BenchmarkOptions options)
    {
        var json = new JsonDestination(options.Json);
        int rounds = options.Repeat ?? (options.IsQuick ? 1 : 5);
        SmallArenasDocument document = new(
        [
            MeasureSmall("one thread at a time", new SmallArenaOptions { SingleThreaded = true }, rounds),
            MeasureSmall("any threads", default, rounds),
            MeasureLongLived(rounds),
        ]);
        json.Tables.Write(Print(document));
        json.Write(document, BenchmarkJson.Default.SmallArenasDocument);
        bool holds = document.Rows.All(row =>
            row.Name == LongLivedName
                || (row.OsCalls == 0 && row.ManagedBytes == 0 && row.ResidentBytesEach <= BoundOf(row)));
        return holds ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static double BoundOf(SmallArenasRow row) => (LiveFactor * row.LiveBytesEach) + BytesBesides;

    private static SmallArenasRow MeasureSmall(string name, SmallArenaOptions options, int rounds)
    {
        long before = ResidentMemory.Bytes();
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        using ArenaGroup group = memory.CreateArenaGroup("scripts");
        group.Prewarm(Arenas);
        SmallArena[] arenas = new SmallArena[Arenas];
        var times = new Times(Arenas * rounds);
        long osCalls = 0;
        long managed = 0;
        long resident = 0;
        for (int round = -1; round < rounds; round++)
        {
            if (round == 0)
                (osCalls, managed) = (memory.OsCalls, GC.GetAllocatedBytesForCurrentThread());

            int first = Math.Max(round, 0) * arenas.Length; // the round before the first warms up
            for (int index = 0; index < arenas.Length; index++)
            {
                long start = Stopwatch.GetTimestamp();
                arenas[index] = group.CreateArena("script", options);
                long created = Stopwatch.GetTimestamp();
                *(byte*)arenas[index].Allocate(100) = 1;
                long allocated = Stopwatch.GetTimestamp();
                Fill(arenas[index]);
                times.Creates[first + index] = created - start;
                times.Allocations[first + index] = allocated - created;
            }

            // Before the measured rounds, because it makes garbage.
            if (round < 0)
                resident = ResidentMemory.Bytes() - before;

            for (int index = 0; index < arenas.Length; index++)
            {
                long start = Stopwatch.GetTimestamp();
                arenas[index].Dispose();
                times.Disposes[first + index] = Stopwatch.GetTimestamp() - start;
            }
        }

        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        using SmallArena one = group.CreateArena("script");
        Fill(one);
        return times.Row(name, Arenas, memory.OsCalls - osCalls, managed, resident, (long)one.LiveBytes);
    }

    private static SmallArenasRow MeasureLongLived(int rounds)
    {
        long before = ResidentMemory.Bytes();
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
        LongLivedArena[] arenas = new LongLivedArena[LongLivedArenas];
        var times = new Times(LongLivedArenas * rounds);
        long osCalls = memory.OsCalls;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        long resident = 0;
        long live = 0;
        for (int round = 0; round < rounds; round++)
        {
            for (int index = 0; index < arenas.Length; index++)
            {
                long start = Stopwatch.GetTimestamp();
                arenas[index] = memory.CreateLongLivedArena("script");
                long created = Stopwatch.GetTimestamp();
                *(byte*)arenas[index].Allocate(100) = 1;
                long allocated = Stopwatch.GetTimestamp();
                live = Fill(arenas[index]);
                times.Creates[(round * arenas.Length) + index] = created - start;
                times.Allocations[(round * arenas.Length) + index] = allocated - created;
            }

            resident = ResidentMemory.Bytes() - before;
            for (int index = 0; index < arenas.Length; index++)
            {
                long start = Stopwatch.GetTimestamp();
                arenas[index].Dispose();
                times.Disposes[(round * arenas.Length) + index] = Stopwatch.GetTimestamp() - start;
            }
        }

        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        return times.Row(LongLivedName, LongLivedArenas, memory.OsCalls - osCalls, managed, resident, live);
    }

    private static void Fill(SmallArena arena)
    {
        for (nuint size = 16; arena.LiveBytes < ScriptBytes; size = Next(size))
            *(byte*)arena.Allocate(size) = 1;
    }

    private static long Fill(LongLivedArena arena)
    {
        nuint live = 0;
        for (nuint size = 16; live < ScriptBytes; size = Next(size))
        {
            *(byte*)arena.Allocate(size) = 1;
            live += LongLivedArena.BlockBytes(size);
        }

        return (long)live;
    }

    private static nuint Next(nuint size) => size >= LargestBlock ? 16 : size + (size / 4) + 7;

    private static string Print(SmallArenasDocument document)
    {
        var table = new TextTable(
            [
                "", "alive", "create", "create", "first alloc.", "dispose", "dispose", "OS", "managed",
                "live", "resident", "bound",
            ],
            [
                "", "at once", "p50 ns", "p99 ns", "p50 ns", "p50 ns", "p99 ns", "calls", "bytes",
                "KiB each", "KiB each", "KiB each",
            ]);
        foreach (SmallArenasRow row in document.Rows)
        {
            table.Add(
                row.Name, Text(row.ArenaCount), Text(row.CreateNanoseconds), Text(row.CreateNanoseconds99),
                Text(row.FirstAllocationNanoseconds), Text(row.DisposeNanoseconds), Text(row.DisposeNanoseconds99),
                Text(row.OsCalls), Text(row.ManagedBytes), KiB(row.LiveBytesEach), KiB(row.ResidentBytesEach),
                row.Name == LongLivedName ? "-" : KiB(BoundOf(row)));
        }

        string title = "arenas of scripts; the reading of the clock is in each time";
        return title + Environment.NewLine + Environment.NewLine + table;
    }

    private static string Text(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string KiB(double bytes) => (bytes / 1024).ToString("N1", CultureInfo.InvariantCulture);

    /// <summary>The time of each single call, in ticks of the clock.</summary>
    private sealed class Times(int calls)
    {
        public long[] Creates { get; } = new long[calls];

        public long[] Allocations { get; } = new long[calls];

        public long[] Disposes { get; } = new long[calls];

        public SmallArenasRow Row(string name, int arenas, long osCalls, long managed, long resident, long live) => new(
            name, arenas, At(Creates, 50), At(Creates, 99), At(Allocations, 50), At(Disposes, 50), At(Disposes, 99),
            osCalls, managed, live, resident / arenas);

        private static long At(long[] ticks, int percent)
        {
            Array.Sort(ticks);
            return Statistics.Percentile(ticks, percent) * 1_000_000_000 / Stopwatch.Frequency;
        }
    }
}

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record SmallArenasDocument(IReadOnlyList<SmallArenasRow> Rows);

/// <summary>One kind of arenas. OS calls and managed bytes are those of all lives that were measured.</summary>
internal sealed record SmallArenasRow(
    string Name,
    int ArenaCount,
    long CreateNanoseconds,
    long CreateNanoseconds99,
    long FirstAllocationNanoseconds,
    long DisposeNanoseconds,
    long DisposeNanoseconds99,
    long OsCalls,
    long ManagedBytes,
    long LiveBytesEach,
    long ResidentBytesEach);
