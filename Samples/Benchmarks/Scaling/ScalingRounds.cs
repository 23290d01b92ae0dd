using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Reporting;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>Somebody who does a workload in a process of its own.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Measure">Starts the process and reads what it found.</param>
internal sealed record ScalingContestant(string Name, Func<ScalingLoad, ScalingMeasurement> Measure);

/// <summary>
/// Has all contestants do the scaling workloads by turns: all of one number of threads, then those of the next.
/// </summary>
/// <param name="contestants">Who takes part, in the order of the tables.</param>
/// <param name="peers">The names of those that the others are compared with.</param>
internal sealed class ScalingRounds(IReadOnlyList<ScalingContestant> contestants, IReadOnlyList<string> peers)
{
    /// <summary>
    /// Those that are there: in C#, the engine in the program that was compiled ahead of time, and the native
    /// allocators from C, with the libraries that were given.
    /// </summary>
    /// <param name="attendance">Who of the usual ones is there.</param>
    /// <param name="driver">Runs the native contestants; null where there is none.</param>
    /// <param name="aheadOfTime">The program that was compiled ahead of time; null where there is none.</param>
    public static ScalingRounds Create(
        Attendance attendance, NativeDriver? driver, IReadOnlyList<Peer> libraries, string? aheadOfTime)
    {
        string? counter = driver?.SystemCallsLibrary;
        List<ScalingContestant> contestants = [];
        foreach (string name in ScalingHost.Contestants.Where(attendance.Has))
        {
            contestants.Add(new(name, load => RowRunner.Ask(
                BenchmarkCommand.ScalingArguments(load, name, counter), BenchmarkJson.Default.ScalingMeasurement)));
        }

        if (aheadOfTime is not null)
        {
            string[] names = [ContestantNames.Handle, ContestantNames.Engine];
            contestants.InsertRange(names.Length, names.Select(name => new ScalingContestant(
                ContestantNames.OfAheadOfTime(name),
                load => RowRunner.Read(
                    NativeDriver.RunProcess(
                        aheadOfTime, BenchmarkCommand.ScalingArguments(load, name, counter), preload: null),
                    BenchmarkJson.Default.ScalingMeasurement))));
        }

        Peer[] peers = driver is null
            ? []
            : [.. Peer.All.Where(peer => attendance.Has(ContestantNames.OfC(peer.Name))), .. libraries];
        contestants.AddRange(peers.Select(peer => new ScalingContestant(
            ContestantNames.OfC(peer.Name), load => ScalingMeasurement.Parse(driver!.Run(load, peer), load))));
        return new ScalingRounds(contestants, [.. peers.Select(peer => ContestantNames.OfC(peer.Name))]);
    }

    /// <summary>Measures one workload on some numbers of threads.</summary>
    public ScalingResult Run(ScalingWork work, IEnumerable<int> threads, long operations, int repetitions, int rounds)
    {
        List<ScalingPoint> points =
            [.. threads.Select(count => new ScalingPoint(new ScalingLoad(work, count, operations, repetitions)))];
        RowRunner.TakeTurns(rounds, points, point =>
        {
            foreach (ScalingContestant contestant in contestants)
                point.Add(contestant.Name, contestant.Measure(point.Load));
        });
        return new ScalingResult(work, points, peers);
    }
}
