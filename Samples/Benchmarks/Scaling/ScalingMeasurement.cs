using System.Globalization;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>What one process found out about one workload on a number of threads.</summary>
internal sealed record ScalingMeasurement
{
    /// <summary>The workload's name.</summary>
    public required string Workload { get; init; }

    /// <summary>How many threads did it.</summary>
    public required int Threads { get; init; }

    /// <summary>Nanoseconds per operation of one thread, of each repetition.</summary>
    public required double[] Nanoseconds { get; init; }

    /// <summary>The tags of all blocks, the same for all who did the same work.</summary>
    public required ulong Checksum { get; init; }

    /// <summary>Blocks in which, when they were freed, was not what was written.</summary>
    public required long LostBlocks { get; init; }

    /// <summary>Single calls.</summary>
    public required CallLatency Latency { get; init; }

    /// <summary>Switches and faults of all threads in all repetitions; null where the system does not tell.</summary>
    public ThreadUsage? Usage { get; init; }

    /// <summary>System calls of all threads in one pass; null where they could not be counted.</summary>
    public long? SystemCalls { get; init; }

    /// <summary>Calls of the engine to the system's memory functions since its prewarm; null of others.</summary>
    public long? OsCalls { get; init; }

    /// <summary>Reads what the native driver prints.</summary>
    /// <exception cref="RunFailedException">A line that must be there is not.</exception>
    public static ScalingMeasurement Parse(string output, ScalingLoad load)
    {
        Dictionary<string, string[]> lines = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split(' ');
            lines[words[0]] = words[1..];
        }

        if (!lines.ContainsKey("nanoseconds") || !lines.ContainsKey("usage"))
        {
            throw new RunFailedException($"{load.Work.Name}: the native driver printed no result");
        }

        long[] latency = Numbers("latency"), usage = Numbers("usage");
        return new ScalingMeasurement
        {
            Workload = load.Work.Name,
            Threads = load.Threads,
            Nanoseconds = Array.ConvertAll(Numbers("nanoseconds"), whole => (double)whole / load.OperationsPerThread),
            Checksum = (ulong)Numbers("checksum")[0],
            LostBlocks = Numbers("lost")[0],
            Latency = new CallLatency(latency[0], latency[1], latency[2], latency[3], latency[4]),
            Usage = new ThreadUsage(usage[0], usage[1], usage[2]),
            SystemCalls = lines.ContainsKey("calls") ? Numbers("calls")[0] : null,
        };

        long[] Numbers(string key) => Array.ConvertAll(lines[key], word => long.Parse(word, CultureInfo.InvariantCulture));
    }
}
