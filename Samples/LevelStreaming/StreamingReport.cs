// The JSON documents and the table.
using System.Globalization;
using System.Text.Json.Serialization;
using Samples.Common;

namespace Samples.LevelStreaming;

internal static class StreamingTable
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>The table, and a line for each row below it.</summary>
    public static string Print(IReadOnlyList<RowDocument> rows)
    {
        var table = new TextTable(
            ["", "prewarm", "", "", "", "p50", "p99", "max", "page", "OS", "managed", "collec-", "viola-"],
            ["", "ms", "MiB", "frames", "born", "µs", "µs", "µs", "faults", "calls", "KiB", "tions", "tions"]);
        foreach (RowDocument row in rows)
        {
            foreach (LevelDocument level in row.Levels)
            {
                table.Add(
                    $"{row.Row}: {level.Level}",
                    FigureText.Decimals(level.PrewarmMilliseconds),
                    FigureText.Decimals(level.Bytes / 1048576.0, 0),
                    FigureText.Count(level.Frames),
                    FigureText.Count(level.Born),
                    FigureText.Decimals(level.P50Microseconds, 0),
                    FigureText.Decimals(level.P99Microseconds, 0),
                    FigureText.Decimals(level.MaxMicroseconds, 0),
                    FigureText.Count(level.PageFaults),
                    FigureText.Count(level.OsCalls),
                    FigureText.Decimals(level.ManagedBytes / 1024.0, 0),
                    FigureText.Count(level.Collections),
                    FigureText.Count(level.Violations));
            }
        }

        string text = table.ToString() + Environment.NewLine;
        foreach (RowDocument row in rows)
        {
            text += string.Create(
                Culture,
                $"{row.Row}: {FigureText.Count(row.Violations, "violation")} in "
                + $"{FigureText.Count(row.Frames, "frame")}; "
                + $"{FigureText.Count(row.ProcessFaultsInFrames, "page fault")} in the whole process during them, the "
                + $"loader's left out{Moved(row)}; "
                + $"waited {FigureText.Time((long)(row.MillisecondsWaited * 1e6))} for levels; the guard takes "
                + $"{FigureText.Time((long)row.GuardNanosecondsPerFrame)} a frame{Environment.NewLine}");
        }

        return text;
    }

    private static string Moved(RowDocument row) => row.PagesMovedByKernel == 0 ? ""
        : string.Create(Culture, $" ({FigureText.Count(row.PagesMovedByKernel, "page")} moved by the kernel)");
}

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record StreamingDocument
{
    public required List<RowDocument> Rows { get; init; }

    /// <summary>Only where it was asked for; then there are no rows.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BesideDocument? Beside { get; init; }
}

/// <summary>One row, as JSON has it.</summary>
internal sealed record RowDocument
{
    public required string Row { get; init; }
    public required string Prefault { get; init; }
    public required uint Seed { get; init; }
    public required int Frames { get; init; }

    /// <summary>Made of all levels as they were left: the same in all rows.</summary>
    public required uint Checksum { get; init; }

    public required long Violations { get; init; }
    public required string? FirstViolation { get; init; }

    /// <summary>Page faults of all threads but the loader's, without those of the main thread between frames.</summary>
    public required long ProcessFaultsInFrames { get; init; }

    /// <summary>Pages that the kernel moved meanwhile on the whole machine, by its own counters.</summary>
    public required long PagesMovedByKernel { get; init; }

    /// <summary>How long the walk stood still because a level was not loaded yet.</summary>
    public required double MillisecondsWaited { get; init; }

    public required double GuardNanosecondsPerFrame { get; init; }
    public required List<LevelDocument> Levels { get; init; }
}

/// <summary>One level of one row, as JSON has it. Counts are sums over all its frames.</summary>
internal sealed record LevelDocument
{
    public required string Level { get; init; }
    public required double PrewarmMilliseconds { get; init; }
    public required long Bytes { get; init; }
    public required int Frames { get; init; }
    public required long Born { get; init; }
    public required int Animals { get; init; }
    public required double P50Microseconds { get; init; }
    public required double P99Microseconds { get; init; }
    public required double MaxMicroseconds { get; init; }
    public required long PageFaults { get; init; }
    public required long OsCalls { get; init; }
    public required long ManagedBytes { get; init; }
    public required long Collections { get; init; }
    public required long FrameOverflows { get; init; }
    public required long Violations { get; init; }
}

/// <summary>
/// Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(StreamingDocument))]
[JsonSerializable(typeof(RowDocument))]
internal sealed partial class StreamingJson : JsonSerializerContext;
