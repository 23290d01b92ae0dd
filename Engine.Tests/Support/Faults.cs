using Engine.Tests.Os;

namespace Engine.Tests.Support;

/// <summary>
/// The page faults that a piece of work on the calling thread takes in one range of addresses, as the kernel reports
/// them. The runtime takes faults of its own in the same thread (a method's first run, a garbage collection's signal on
/// the alternate stack); where the kernel tells addresses, those are apart, and no test hangs on them.
/// </summary>
internal static class Faults
{
    /// <summary>Whether the kernel tells the addresses.</summary>
    public static readonly bool HaveAddresses = !Machine.IsEmulated && PageFaultRecorder.IsAvailable(out _);

    /// <summary>Whether faults are counted at all: by address, or at least by thread.</summary>
    public static bool AreCounted =>
        HaveAddresses || (PageFaults.IsSupported && PageFaults.IsPerThread && !Machine.IsEmulated);

    /// <summary>
    /// The faults of <paramref name="work"/>. In the range: exact where addresses are told, else 0. Elsewhere: all
    /// others that getrusage counted for the thread, those of the kernel's own populating in the range included.
    /// </summary>
    public static (long InRange, long Elsewhere) Of(nint start, nuint bytes, Action work)
    {
        using PageFaultRecorder? recorder = HaveAddresses ? new PageFaultRecorder(1024) : null;
        if (!AreCounted)
        {
            work();
            return default;
        }

        recorder?.Start();
        _ = PageFaults.OfThread();
        long all = PageFaults.OfThread();
        work();
        all = PageFaults.OfThread() - all;
        recorder?.Stop();
        long inRange = recorder is null ? 0 : recorder.DrainWithin(start, bytes) + recorder.LostCount;
        return (inRange, Math.Max(0, all - inRange));
    }
}
