// What --collections does.
using System.Diagnostics;
using System.Globalization;
using Samples.Benchmarks.Reporting;
using Samples.Common;
using SuperSlab;

namespace Samples.Benchmarks.Containers;

/// <summary>
/// The containers of SuperSlab.Collections beside those of the BCL, in one process, by turns: ours, theirs, ours. Each
/// row is one kind of operation, done often enough that the clock does not matter. The arena is warm, as in a prewarmed
/// scene.
/// </summary>
internal static class CollectionsProgram
{
    /// <returns>The exit code: failure where an operation of ours called the system or made garbage.</returns>
    public static int Run(BenchmarkOptions options)
    {
        var json = new JsonDestination(options.Json);
        int rounds = options.Repeat ?? (options.IsQuick ? 3 : 15);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            Checks = MemoryChecks.Off,
            RetainBytes = 512 << 20,
        });
        CollectionsRow[] rows =
        [
            .. ContainerWork.All(memory.CreateLongLivedArena("world"), options.IsQuick ? 10_000 : 100_000)
                .Select(work => Measure(memory, work, rounds)),
        ];
        json.Tables.Write(Print(rows));
        json.Write(new CollectionsDocument(rows), BenchmarkJson.Default.CollectionsDocument);
        return rows.All(row => row is { OsCalls: 0, ManagedBytes: 0 }) ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static CollectionsRow Measure(EngineMemory memory, ContainerWork work, int rounds)
    {
        double[] ours = new double[rounds];
        double[] theirs = new double[rounds];
        long sums = 0;
        long osCalls = 0;
        long managed = 0;
        for (int round = -4; round < rounds; round++)
        {
            long calls = memory.OsCalls;
            long bytes = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            long sum = work.Ours();
            long middle = Stopwatch.GetTimestamp();
            bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
            calls = memory.OsCalls - calls;
            long begin = Stopwatch.GetTimestamp();
            sums += sum - work.Theirs();
            long end = Stopwatch.GetTimestamp();
            if (round < 0)
                continue; // warms up

            ours[round] = Stopwatch.GetElapsedTime(start, middle).TotalNanoseconds / work.Operations;
            theirs[round] = Stopwatch.GetElapsedTime(begin, end).TotalNanoseconds / work.Operations;
            osCalls += calls;
            managed += bytes;
        }

        if (sums != 0)
            throw new InvalidOperationException($"{work.Name}: the container and its twin gave different sums.");

        return new CollectionsRow(
            work.Name, work.Twin, Statistics.Median(ours), ours.Min(), ours.Max(), Statistics.Median(theirs),
            theirs.Min(), theirs.Max(), work.Limit, osCalls, managed);
    }

    private static string Print(CollectionsRow[] rows)
    {
        var table = new TextTable(
            ["", "BCL", "ours", "min to max", "BCL's", "min to max", "ratio", "to be", "OS", "managed"],
            ["", "", "ns", "ns", "ns", "ns", "", "at most", "calls", "bytes"]);
        foreach (CollectionsRow row in rows)
        {
            table.Add(
                row.Name, row.Twin, Text(row.Nanoseconds), $"{Text(row.Least)} to {Text(row.Most)}",
                Text(row.TwinNanoseconds), $"{Text(row.TwinLeast)} to {Text(row.TwinMost)}",
                Text(row.Nanoseconds / row.TwinNanoseconds), Text(row.Limit),
                row.OsCalls.ToString(CultureInfo.InvariantCulture),
                row.ManagedBytes.ToString(CultureInfo.InvariantCulture));
        }

        return "containers beside the BCL's, nanoseconds an operation, medians" + Environment.NewLine
            + Environment.NewLine + table;
    }

    private static string Text(double value) => value.ToString("N2", CultureInfo.InvariantCulture);
}

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record CollectionsDocument(IReadOnlyList<CollectionsRow> Rows);

/// <summary>One kind of operation. OS calls and managed bytes are those of all measured rounds of ours.</summary>
internal sealed record CollectionsRow(
    string Name,
    string Twin,
    double Nanoseconds,
    double Least,
    double Most,
    double TwinNanoseconds,
    double TwinLeast,
    double TwinMost,
    double Limit,
    long OsCalls,
    long ManagedBytes);
