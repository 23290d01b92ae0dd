// What --threads does.
using System.Globalization;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Reporting;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>What the program does with <c>--threads</c>.</summary>
internal static class ScalingProgram
{
    private const int UsualRounds = 2;
    private const int Repetitions = 3;
    private const long UsualOperations = 400_000;
    private const long QuickOperations = 40_000;

    /// <summary>Measures, or in a child process does the work of one contestant.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(BenchmarkOptions options)
    {
        int[] threads = options.Threads!.Count == 0
            ? ThreadCounts.Default(Environment.ProcessorCount)
            : [.. options.Threads];
        long operations = options.Operations ?? (options.IsQuick ? QuickOperations : UsualOperations);
        List<ScalingWork> works =
            [.. ScalingWork.All.Where(work => options.Workloads.Count == 0 || options.Workloads.Contains(work.Name))];
        if (options.OnlyContestant is not { } contestant)
            return RunAll(options, works, threads, operations);

        SystemCallCounter? counter = options.SystemCalls is null ? null : new SystemCallCounter(options.SystemCalls);
        var load = new ScalingLoad(works[0], threads[0], operations, Repetitions);
        return RowRunner.Answer(
            ScalingHost.Measure(load, contestant, counter), BenchmarkJson.Default.ScalingMeasurement);
    }

    private static int RunAll(BenchmarkOptions options, List<ScalingWork> works, int[] threads, long operations)
    {
        var json = new JsonDestination(options.Json);
        if (options.Chart is not null)
            OutputFile.Check(BenchmarkCommand.ChartOption, options.Chart);

        TextWriter output = json.Tables;
        using NativeDriver? driver = NativeDriver.TryCreate(out string driverReason);
        CheckLibraries(options.Libraries, driver, driverReason);
        Attendance attendance = Attendance.Find(driver, driverReason);
        string? aheadOfTime = options.AheadOfTime ?? FindAheadOfTime();
        TellLeftOut(output, attendance, driver, aheadOfTime);

        ScalingRounds rounds = ScalingRounds.Create(attendance, driver, options.Libraries, aheadOfTime);
        List<ScalingResult> results = [];
        foreach (ScalingWork work in works)
        {
            int repeat = options.Repeat ?? (options.IsQuick ? 1 : UsualRounds);
            results.Add(rounds.Run(work, threads, operations, Repetitions, repeat));
            output.WriteLine(ScalingTables.Print(results[^1]));
        }

        output.Write(ScalingTables.PrintSummary(results));
        if (options.Chart is not null)
            ScalingChart.Save(results, options.Chart);

        json.Write(ScalingDocument.Of(results), BenchmarkJson.Default.ScalingDocument);
        return Judge(results, options.RequiresNoSystemCalls);
    }

    // A library that cannot be preloaded is a warning of the linker only, and the C library's malloc would be measured
    // in its stead.
    private static void CheckLibraries(IReadOnlyList<Peer> libraries, NativeDriver? driver, string driverReason)
    {
        foreach (Peer library in libraries)
        {
            if (driver is null || !driver.Has(library, out _))
            {
                string reason = driver is null ? driverReason : "it cannot be preloaded, or has no malloc";
                throw new BadInputException(
                    $"{BenchmarkCommand.LibraryOption} {library.Name}: {library.Library} does not take malloc's "
                    + $"place: {reason}.");
            }
        }
    }

    // Where "dotnet publish" puts it for this kind of machine. With an assembly beside it, it is not compiled ahead of
    // time.
    private static string? FindAheadOfTime()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, RuntimeInformation.RuntimeIdentifier, "publish");
        string program = Path.Combine(folder, OperatingSystem.IsWindows() ? "Benchmarks.exe" : "Benchmarks");
        return File.Exists(program) && !File.Exists(Path.Combine(folder, "Benchmarks.dll")) ? program : null;
    }

    private static void TellLeftOut(TextWriter output, Attendance attendance, NativeDriver? driver, string? aheadOfTime)
    {
        foreach (string reason in attendance.LeftOut)
            output.WriteLine("left out: " + reason);

        if (aheadOfTime is null)
        {
            output.WriteLine(
                $"left out: {ContestantNames.OfAheadOfTime(ContestantNames.Handle)}, "
                + $"{ContestantNames.OfAheadOfTime(ContestantNames.Engine)}: no program that was published ahead of "
                + $"time; {BenchmarkCommand.AheadOfTimeOption} names one");
        }

        if (driver?.SystemCallsLibrary is null)
            output.WriteLine("not measured: system calls of C# contestants, for which a library is compiled with gcc");

        if (!ThreadUsage.IsKnown)
            output.WriteLine("not measured: switches and page faults of threads, which this system does not tell");
    }

    private static int Judge(List<ScalingResult> results, bool requiresNoSystemCalls)
    {
        List<ScalingPoint> points = [.. results.SelectMany(result => result.Points)];
        IEnumerable<string> calls = requiresNoSystemCalls ? points.SelectMany(SystemCalls) : [];
        return RowRunner.Judge(points.SelectMany(point => point.Faults()).Concat(calls));
    }

    private static IEnumerable<string> SystemCalls(ScalingPoint point) => point.Rows
        .Where(row => row.OsCalls is not null && row.HasCalledSystem)
        .Select(row =>
            $"{point.Load.Work.Name} on {point.Load.Threads} threads: {row.Name} called the system or waited: "
            + $"{row.SystemCalls?.ToString() ?? "unknown"} system calls, {row.OsCalls} of them by the engine's memory, "
            + $"{row.Usage?.VoluntarySwitches.ToString() ?? "unknown"} voluntary switches");
}

/// <summary>The numbers of threads to measure with.</summary>
internal static class ThreadCounts
{
    // A scene plan knows up to 512, of which lives need two for each.
    private const int Most = 255;
    private const int OversubscribedPerProcessor = 4;

    /// <summary>
    /// Powers of two up to the processors of the machine, the processors themselves, and four for each of them.
    /// </summary>
    public static int[] Default(int processors)
    {
        List<int> counts = [];
        for (int count = 1; count < processors; count *= 2)
            counts.Add(count);

        counts.AddRange([processors, OversubscribedPerProcessor * processors]);
        return [.. counts.Select(count => Math.Min(count, Most)).Distinct()];
    }

    /// <summary>Reads a list like "1,2,4".</summary>
    /// <param name="reason">Why it is none.</param>
    public static bool TryParse(string text, out int[] counts, out string reason)
    {
        List<int> read = [];
        counts = [];
        reason = "";
        foreach (string word in text.Split(','))
        {
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
                || count is < 1 or > Most)
            {
                reason = $"takes numbers from 1 to {Most} with commas between, like 1,2,4, not '{text}'";
                return false;
            }

            if (read.Contains(count))
            {
                reason = $"has {count} twice in '{text}'";
                return false;
            }

            read.Add(count);
        }

        counts = [.. read.Order()];
        return true;
    }
}
