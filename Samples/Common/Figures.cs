// Figures that several samples report.
using System.Diagnostics;
using System.Globalization;

namespace Samples.Common;

/// <summary>The few figures the samples report about repeated measurements.</summary>
public static class Statistics
{
    /// <summary>
    /// The middle value; of an even number of values, the lower of the two in the middle, so it is one that was
    /// measured.
    /// </summary>
    /// <exception cref="ArgumentException">There are no values.</exception>
    public static T Median<T>(IEnumerable<T> values)
        where T : IComparable<T>
    {
        T[] sorted = Sorted(values);
        return sorted[(sorted.Length - 1) / 2];
    }

    /// <summary>
    /// The smallest value that at least <paramref name="percent"/> per cent of the sorted values do not exceed (the
    /// nearest-rank definition). Of no values it is 0.
    /// </summary>
    public static long Percentile(ReadOnlySpan<long> sorted, int percent)
    {
        if (sorted.IsEmpty)
            return 0;

        long rank = ((long)sorted.Length * percent + 99) / 100;
        return sorted[(int)Math.Max(rank, 1) - 1];
    }

    private static T[] Sorted<T>(IEnumerable<T> values)
        where T : IComparable<T>
    {
        T[] sorted = [.. values];
        if (sorted.Length == 0)
            throw new ArgumentException("A median needs at least one value.", nameof(values));

        Array.Sort(sorted);
        return sorted;
    }
}

/// <summary>
/// The memory of this process that stands in physical pages, as the operating system counts it: now, and the most since
/// <see cref="TryResetPeak"/>.
/// </summary>
public static class ResidentMemory
{
    private const string LinuxStatus = "/proc/self/status";

    /// <summary>Resident bytes now.</summary>
    public static long Bytes() => OperatingSystem.IsLinux() ? FromStatus("VmRSS:") : Refreshed().WorkingSet64;

    /// <summary>The most resident bytes at any moment since the process began or the peak was reset.</summary>
    public static long PeakBytes() => OperatingSystem.IsLinux() ? FromStatus("VmHWM:") : Refreshed().PeakWorkingSet64;

    /// <summary>Makes the peak start again from the present. False where the system has no such request.</summary>
    public static bool TryResetPeak()
    {
        if (!OperatingSystem.IsLinux())
            return false;

        try
        {
            // "5" resets the peak and touches no page's state (proc(5), clear_refs).
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long FromStatus(string key)
    {
        foreach (string line in File.ReadLines(LinuxStatus))
        {
            if (line.StartsWith(key, StringComparison.Ordinal))
            {
                ReadOnlySpan<char> number = line.AsSpan(key.Length).Trim();
                return 1024 * long.Parse(number[..number.IndexOf(' ')], CultureInfo.InvariantCulture);
            }
        }

        throw new RunFailedException($"{LinuxStatus} has no line '{key}'.");
    }

    private static Process Refreshed()
    {
        var process = Process.GetCurrentProcess();
        process.Refresh();
        return process;
    }
}
