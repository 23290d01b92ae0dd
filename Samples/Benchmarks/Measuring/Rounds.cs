using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Reporting;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Measuring;

/// <summary>
/// Has all contestants do the workloads by turns, each in a process of its own. A group of workloads shares a process,
/// so that starting it is not most of the work; the next group comes when all rounds of this one are done, so that what
/// is compared was measured close by.
/// </summary>
/// <param name="driver">Runs the native contestants; null where there is none.</param>
/// <param name="isQuick">Whether the children do the small amount of work.</param>
internal sealed class Rounds(Attendance attendance, NativeDriver? driver, bool isQuick)
{
    /// <summary>
    /// Which workloads share a process: those of one name, and where it is to be quick, all that the same contestants
    /// do. Those whose memory is asked for never do: an earlier one's would be in the figure.
    /// </summary>
    public static IEnumerable<IReadOnlyList<Workload>> Groups(IEnumerable<Workload> workloads, bool isQuick) =>
        workloads
            .GroupBy(work =>
                work.IsMemoryAsked ? work.OneRunWith ?? work.Id
                : isQuick ? string.Join(',', work.Contestants)
                : work.Name)
            .Select(group => (IReadOnlyList<Workload>)[.. group]);

    /// <summary>Measures the workloads of one group.</summary>
    public List<WorkloadResult> Run(IReadOnlyList<Workload> workloads, int rounds)
    {
        List<WorkloadResult> results = [.. workloads.Select(work => new WorkloadResult(work))];
        for (int round = 0; round < rounds; round++)
        {
            RunManaged(results);
            RunNative(results);
        }

        return results;
    }

    private void RunManaged(List<WorkloadResult> results)
    {
        foreach (string contestant in results[0].Work.Contestants.Where(attendance.Has))
        {
            string[] arguments = BenchmarkCommand.ChildArguments(
                isQuick, results.Select(result => result.Work), contestant);
            Measurement[] measurements = RowRunner.Ask(arguments, BenchmarkJson.Default.MeasurementArray);
            foreach ((WorkloadResult result, Measurement measurement) in results.Zip(measurements))
                result.Add(contestant, measurement);
        }
    }

    private void RunNative(List<WorkloadResult> results)
    {
        if (driver is null)
            return;

        Peer[] peers = Array.FindAll(Peer.All, peer => attendance.Has(ContestantNames.OfC(peer.Name)));
        foreach (IGrouping<string, WorkloadResult> run in results.GroupBy(
            result => string.Join(' ', driver.ArgumentsOf(result.Work))))
        {
            IReadOnlyList<string> arguments = driver.ArgumentsOf(run.First().Work);
            if (run.First().Work.HasEmptyLoop)
                Add(run, ContestantNames.Null, driver.Run(arguments, null));

            foreach (Peer peer in peers)
                Add(run, peer.Name, driver.Run(arguments, peer));
        }
    }

    private static void Add(IEnumerable<WorkloadResult> results, string name, string output)
    {
        foreach (WorkloadResult result in results)
            result.Add(ContestantNames.OfC(name), NativeOutput.Parse(output, result.Work));
    }
}
