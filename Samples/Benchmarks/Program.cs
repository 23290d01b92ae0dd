using Samples.Benchmarks.Containers;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Libraries;
using Samples.Benchmarks.Lifetimes;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Reporting;
using Samples.Benchmarks.Scaling;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks;

/// <summary>
/// The engine beside its peers. The parent process starts a child for each contestant and the native driver for each
/// native allocator, gathers what they measured, and prints it.
/// </summary>
internal static class Program
{
    private const int UsualRounds = 2;
    private const int ProfiledRounds = 10;

    private static int Main(string[] arguments) => SampleHost.Run(BenchmarkCommand.Create(Run), arguments);

    private static int Run(BenchmarkOptions options)
    {
        if (options.IsAttendance)
        {
            Console.Out.WriteLine(string.Join('\n', Attendance.Lines()));
            return ExitCodes.Success;
        }

        if (options.Profile is not null)
            return RunProfiled(options, options.Profile);

        if (options.IsSmallArenas)
            return SmallArenasProgram.Run(options);

        if (options.IsCollections)
            return CollectionsProgram.Run(options);

        if (options.IsNativeLibraries)
            return NativeLibrariesProgram.Run(options);

        if (options.Threads is not null)
            return ScalingProgram.Run(options);

        IReadOnlyList<Workload> workloads = Catalog.Find(options.Workloads, options.IsQuick);
        return options.OnlyContestant is { } contestant
            ? RowRunner.Answer(
                [.. workloads.Select(work => work.Measure(contestant))], BenchmarkJson.Default.MeasurementArray)
            : RunAll(options, workloads);
    }

    private static int RunProfiled(BenchmarkOptions options, string folder)
    {
        BlockWorkload work = BenchmarkCommand.Profiled(options.Workloads, options.IsQuick)!;
        long frames = ContestantHost.Profile(work, options.Repeat ?? (options.IsQuick ? 1 : ProfiledRounds), folder);
        Console.Out.WriteLine(
            $"profiled {work.Id} by {ContestantNames.Handle}: {frames} repetitions as frames, with counters on; no "
            + $"figure of the benchmarks. {Path.Combine(folder, SampleProfile.ReportName)} shows them");
        return ExitCodes.Success;
    }

    private static int RunAll(BenchmarkOptions options, IReadOnlyList<Workload> workloads)
    {
        var json = new JsonDestination(options.Json);
        if (options.Chart is not null)
            OutputFile.Check(BenchmarkCommand.ChartOption, options.Chart);

        TextWriter output = json.Tables;
        using NativeDriver? driver = NativeDriver.TryCreate(out string driverReason);
        Attendance attendance = Attendance.Find(driver, driverReason);
        foreach (string reason in attendance.LeftOut)
            output.WriteLine("left out: " + reason);

        var rounds = new Rounds(attendance, driver, options.IsQuick);
        List<WorkloadResult> results = [];
        foreach (IReadOnlyList<Workload> group in Rounds.Groups(workloads, options.IsQuick))
        {
            List<WorkloadResult> some = rounds.Run(group, options.Repeat ?? (options.IsQuick ? 1 : UsualRounds));
            results.AddRange(some);
            foreach (IGrouping<string, WorkloadResult> ofOneName in some.GroupBy(result => result.Work.Name))
                output.WriteLine(WorkloadTable.Print([.. ofOneName]));
        }

        output.WriteLine(SummaryTable.Print(results));
        output.WriteLine(MemoryTable.Print(results));
        output.Write(new Targets(results).Print());
        if (options.Chart is not null)
            RatioChart.Save(results, options.Chart);

        json.Write(BenchmarkDocument.Of(results), BenchmarkJson.Default.BenchmarkDocument);
        return RowRunner.Judge(results.Select(result => result.Difference()));
    }
}
