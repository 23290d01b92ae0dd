using System.Globalization;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Native;

/// <summary>Reads what the native driver prints: lines of a key and numbers.</summary>
internal static class NativeOutput
{
    /// <summary>The output of one workload.</summary>
    /// <exception cref="RunFailedException">A line that must be there is not.</exception>
    public static Measurement Parse(string output, Workload work)
    {
        Dictionary<string, string[]> lines = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split(' ');
            lines[words[0]] = words[1..];
        }

        if (!lines.TryGetValue(work.NativeTime, out string[]? times) || !lines.TryGetValue("checksum", out string[]? checksum))
        {
            throw new RunFailedException($"{work.Id}: the native driver printed no result");
        }

        return new Measurement
        {
            Workload = work.Id,
            Nanoseconds = Array.ConvertAll(times, time => double.Parse(time, CultureInfo.InvariantCulture) / work.Operations),
            Checksum = ulong.Parse(checksum[0], CultureInfo.InvariantCulture),
            PeakResidentBytes = lines.TryGetValue("peak", out string[]? peak) ? long.Parse(peak[0], CultureInfo.InvariantCulture) : null,
        };
    }
}
