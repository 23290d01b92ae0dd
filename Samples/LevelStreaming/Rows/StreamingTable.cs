using System.Globalization;
using Samples.Common;

namespace Samples.LevelStreaming.Rows;

/// <summary>Prints the results for people.</summary>
internal static class StreamingTable
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The table, and a line for each row below it.</summary>
    public static string Print(IReadOnlyList<RowDocument> rows)
    {
        var table = new TextTable(
            ["", "prewarm", "", "", "", "p50", "p99", "max", "page", "OS", "managed", "collec-", "viola-"],
            ["", "ms", "MiB", "frames", "born", "us", "us", "us", "faults", "calls", "KiB", "tions", "tions"]);
        foreach (RowDocument row in rows)
        {
            foreach (LevelDocument level in row.Levels)
            {
                table.Add(
                    $"{row.Row}: {level.Level}",
                    level.PrewarmMilliseconds.ToString("N1", Culture),
                    (level.Bytes / 1048576.0).ToString("N0", Culture),
                    Count(level.Frames),
                    Count(level.Born),
                    level.P50Microseconds.ToString("N0", Culture),
                    level.P99Microseconds.ToString("N0", Culture),
                    level.MaxMicroseconds.ToString("N0", Culture),
                    Count(level.PageFaults),
                    Count(level.OsCalls),
                    (level.ManagedBytes / 1024.0).ToString("N0", Culture),
                    Count(level.Collections),
                    Count(level.Violations));
            }
        }

        string text = table.ToString() + Environment.NewLine;
        foreach (RowDocument row in rows)
        {
            text += string.Create(
                Culture,
                $"{row.Row}: {row.Violations:N0} violations in {row.Frames:N0} frames; {row.ProcessFaultsInFrames:N0} page faults in the whole process during them, "
                + $"the loader's left out; waited {row.MillisecondsWaited:N1} ms for levels; the guard takes {row.GuardNanosecondsPerFrame:N0} ns a frame{Environment.NewLine}");
        }

        return text;
    }

    private static string Count(long value) => value.ToString("N0", Culture);
}
