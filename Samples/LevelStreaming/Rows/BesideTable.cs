using System.Globalization;
using Samples.Common;

namespace Samples.LevelStreaming.Rows;

/// <summary>Prints what a load in the background cost, for people: the medians of the repetitions.</summary>
internal static class BesideTable
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The table and its summary.</summary>
    public static string Print(BesideDocument document)
    {
        List<BesideRepetition> all = document.Repetitions;
        var table = new TextTable(["frames of a level", "frames", "p50 us", "p99 us", "max us"]);
        Add(table, "alone", all.ConvertAll(repetition => repetition.Alone));
        Add(table, $"while {document.Megabytes:N0} MiB load", all.ConvertAll(repetition => repetition.Loading));
        Add(table, "while they unload", all.ConvertAll(repetition => repetition.Unloading));
        string end = Environment.NewLine;
        return table + end + string.Create(
            Culture,
            $"the p99 beside the load is {document.Ratio:N2} times that alone (median of {all.Count} repetitions, least {all.Min(one => one.Ratio):N2}, "
            + $"most {all.Max(one => one.Ratio):N2}){end}in {document.Frames:N0} frames the game's thread had {document.PageFaults:N0} page faults; "
            + $"{document.Violations:N0} violations{end}");
    }

    private static void Add(TextTable table, string name, List<BesideFrames> frames) => table.Add(
        name,
        frames.Sum(one => one.Frames).ToString("N0", Culture),
        Median(frames.ConvertAll(one => one.P50Microseconds)),
        Median(frames.ConvertAll(one => one.P99Microseconds)),
        Median(frames.ConvertAll(one => one.MaxMicroseconds)));

    private static string Median(List<double> values) => Statistics.Median(values).ToString("N1", Culture);
}
