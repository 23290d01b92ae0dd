using System.Runtime.InteropServices;

namespace Samples.Benchmarks.Scaling;

/// <summary>What the system did to a thread: getrusage(2) of Linux with RUSAGE_THREAD. All 0 elsewhere.</summary>
/// <param name="VoluntarySwitches">How often it waited.</param>
/// <param name="InvoluntarySwitches">How often another thread was given its processor, which sched_yield asks for too.</param>
/// <param name="MinorFaults">Pages that came when they were touched.</param>
internal readonly record struct ThreadUsage(long VoluntarySwitches, long InvoluntarySwitches, long MinorFaults)
{
    // struct rusage in words: two times of two words each, then fourteen numbers.
    private const int Words = 18;
    private const int MinorFaultsWord = 8;
    private const int VoluntaryWord = 16;
    private const int InvoluntaryWord = 17;
    private const int OfThread = 1;

    /// <summary>Whether this system tells.</summary>
    public static bool IsKnown { get; } = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>What happened to the calling thread so far.</summary>
    public static unsafe ThreadUsage OfThisThread()
    {
        if (!IsKnown)
        {
            return default;
        }

        long* words = stackalloc long[Words];
        return GetUsage(OfThread, words) == 0 ? new(words[VoluntaryWord], words[InvoluntaryWord], words[MinorFaultsWord]) : default;
    }

    /// <summary>The sum.</summary>
    public static ThreadUsage operator +(ThreadUsage left, ThreadUsage right) => new(
        left.VoluntarySwitches + right.VoluntarySwitches,
        left.InvoluntarySwitches + right.InvoluntarySwitches,
        left.MinorFaults + right.MinorFaults);

    /// <summary>The difference.</summary>
    public static ThreadUsage operator -(ThreadUsage left, ThreadUsage right) => new(
        left.VoluntarySwitches - right.VoluntarySwitches,
        left.InvoluntarySwitches - right.InvoluntarySwitches,
        left.MinorFaults - right.MinorFaults);

    [DllImport("libc", EntryPoint = "getrusage")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern unsafe int GetUsage(int who, long* usage);
}
