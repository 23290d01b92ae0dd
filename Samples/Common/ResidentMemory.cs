using System.Diagnostics;
using System.Globalization;

namespace Samples.Common;

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
        {
            return false;
        }

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
