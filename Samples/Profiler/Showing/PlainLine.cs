using Samples.Common;
using Samples.Profiler.Listening;

namespace Samples.Profiler.Showing;

/// <summary>The process as one line, for logs and for a standard output that is no terminal.</summary>
internal static class PlainLine
{
    public static string Of(Target target, LiveMoment moment)
    {
        string frames = moment.LastFrames.Count == 0
            ? "no frames"
            : string.Create(
                Texts.Culture,
                $"frames {moment.FramesPerSecond:#,0.0}/s p50 {FigureText.Time(moment.Percentile(0.5))} p99 "
                    + $"{FigureText.Time(moment.Percentile(0.99))} max {FigureText.Time(moment.Percentile(1))}");
        string memory = moment.State?.Totals is { } totals
            ? string.Create(
                Texts.Culture,
                $"SuperSlabs {totals.OwnedSuperSlabCount:N0} owned {totals.ReadySuperSlabCount:N0} ready, OS calls "
                + $"{totals.OsCallCount:N0}")
            : "no reading";
        string faults = ProcessFaults.Of(target.Id) is { } count ? $" (process {FigureText.Count(count)})" : "";
        return string.Create(
            Texts.Culture,
            $"{frames}, {memory}, faults in frames {moment.PageFaults:N0}{faults}, managed "
                + $"{FigureText.Bytes(moment.ManagedBytes)}, collections {moment.Collections.Sum():N0}");
    }
}
