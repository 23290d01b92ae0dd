using System.Globalization;

namespace Samples.Profiler.Listening;

/// <summary>Page faults of a whole process since it began, as Linux counts them; null elsewhere and when it is
/// gone.</summary>
internal static class ProcessFaults
{
    // Fields of /proc/PID/stat by "man 5 proc_pid_stat", counted from the one after the name, which may itself hold
    // spaces.
    private const int MinorFaults = 7;
    private const int MajorFaults = 9;

    public static long? Of(int process)
    {
        try
        {
            string text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
            string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return long.Parse(fields[MinorFaults], CultureInfo.InvariantCulture)
                + long.Parse(fields[MajorFaults], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
