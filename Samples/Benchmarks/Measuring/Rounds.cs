using System.Text.Json;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Reporting;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Measuring;

/// <summary>
/// Has all contestants do the workloads by turns, each in a process of its own. Workloads of one name share a process, so that starting
/// it is not most of the work; the next name's come when all rounds of this one are done, so that what is compared was measured close by.
/// </summary>
/// <param name="driver">Runs the native contestants; null where they cannot be run.</param>
/// <param name="isQuick">Whether the children do the small amount of work.</param>
internal sealed class Rounds(NativeDriver? driver, bool isQuick)
{
    private readonly Peer[] _nativePeers = NativePeersOf(driver);

    /// <summary>What is left out, and why.</summary>
    public static IEnumerable<string> LeftOut(NativeDriver? driver, string driverReason)
    {
        List<string> reasons = [];
        foreach (Peer peer in Peer.All)
        {
            if (!peer.TryLoad(out _, out string reason))
            {
                reasons.Add($"{peer.Name}: {reason}");
            }

            if (driver is not null && !driver.Has(peer, out reason))
            {
                reasons.Add($"{ContestantNames.OfC(peer.Name)}: {reason}");
            }
        }

        return driver is null ? [.. reasons, $"all contestants in C: {driverReason}"] : reasons;
    }

    /// <summary>Measures workloads of one name.</summary>
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

    private static Peer[] NativePeersOf(NativeDriver? driver) => driver is null ? [] : Array.FindAll(Peer.All, peer => driver.Has(peer, out _));

    private static bool IsThere(string contestant) =>
        Array.Find(Peer.All, peer => peer.Name == contestant) is not { } peer || peer.TryLoad(out _, out _);

    private void RunManaged(List<WorkloadResult> results)
    {
        foreach (string contestant in results[0].Work.Contestants.Where(IsThere))
        {
            string text = ChildProcess.Run(BenchmarkCommand.ChildArguments(isQuick, results.Select(result => result.Work), contestant), "");
            Measurement[] measurements = JsonSerializer.Deserialize(text, BenchmarkJson.Default.MeasurementArray)!;
            foreach ((WorkloadResult result, Measurement measurement) in results.Zip(measurements))
            {
                result.Add(contestant, measurement);
            }
        }
    }

    private void RunNative(List<WorkloadResult> results)
    {
        foreach (WorkloadResult result in results.Where(result => driver is not null && result.Work.NativeArguments is not null))
        {
            result.Add(ContestantNames.OfC(ContestantNames.Null), driver!.Measure(result.Work, null));
            foreach (Peer peer in _nativePeers)
            {
                result.Add(ContestantNames.OfC(peer.Name), driver.Measure(result.Work, peer));
            }
        }
    }
}
