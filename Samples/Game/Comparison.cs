// The same game with each kind of memory, side by side.
using System.Globalization;
using Samples.Common;
using Samples.Game.Playing;
using Samples.Game.Showing;

namespace Samples.Game;

/// <summary>
/// Runs the game once for each kind, in processes of their own, prints what they did, and draws their frames.
/// </summary>
internal static class Comparison
{
    private const int Width = 960;
    private const int PanelHeight = 170;
    private const int Margin = 50;
    private const int Top = 24;
    private const double FrameMilliseconds = 16.7;
    private const uint Ink = 0xFF303030;
    private static readonly uint[] s_colors = [0xFF2F8D3C, 0xFFB06A1F, 0xFF2B39C0];

    public static int Run(GameOptions options)
    {
        JsonDestination json = new(options.Json);
        if (options.Picture is not null)
            OutputFile.Check("--picture", options.Picture);

        List<RunDocument> runs = [];
        RowRunner.TakeTurns(1, Enum.GetValues<MemoryKind>(), kind => runs.Add(RowRunner.Ask(
            GameCommand.Arguments(options, kind), GameJson.Default.RunDocument)));
        json.Tables.Write(RunTable.Print(runs));
        json.Write(
            new ComparisonDocument { Runs = runs.ConvertAll(run => run with { FrameMicroseconds = [] }) },
            GameJson.Default.ComparisonDocument);
        if (options.Picture is not null)
            Draw(runs).Save(options.Picture);

        RunDocument engine = runs[0];
        string? problem =
            runs.Exists(run => run.Hash != engine.Hash) ? "the kinds of memory did not play the same game"
            : engine.Violations == 0 ? null
            : $"{FigureText.Count(engine.Violations, "frame")} of the engine broke the rules. {engine.FirstViolation}";
        int code = RowRunner.Judge([problem]);
        json.Tables.WriteLine(problem is null
            ? "PASS: the same game three times, and no frame of the engine broke the rules."
            : $"FAIL: {problem}");
        return code;
    }

    /// <summary>A panel for each run: for each column of pixels the longest of its frames, all by one scale.</summary>
    private static Picture Draw(List<RunDocument> runs)
    {
        Picture picture = new(Width, runs.Count * PanelHeight);
        picture.Fill(0, 0, Width, picture.Height, 0xFFFFFFFF);
        double most = Math.Max(2 * FrameMilliseconds, runs.Max(run => run.P999Microseconds) / 1000.0);
        for (int panel = 0; panel < runs.Count; panel++)
        {
            RunDocument run = runs[panel];
            int floor = ((panel + 1) * PanelHeight) - 16;
            int height = PanelHeight - Top - 16;
            int columns = Width - Margin - 10;
            picture.Write(Margin, floor - height - 16, string.Create(
                CultureInfo.InvariantCulture,
                $"{run.Memory}: p50 {Text(run.P50Microseconds)}, p99 {Text(run.P99Microseconds)}, longest "
                + $"{Text(run.LongestMicroseconds)}, {FigureText.Count(run.Frames, "frame")}, "
                + $"{FigureText.Bytes(run.ManagedBytes)} of garbage, "
                + $"{FigureText.Count(run.Collections, "collection")}"), Ink);
            for (int column = 0; column < columns; column++)
            {
                int first = (int)((long)column * run.Frames / columns);
                int end = Math.Max((int)((long)(column + 1) * run.Frames / columns), first + 1);
                double milliseconds = run.FrameMicroseconds[first..end].Max() / 1000.0;
                int bar = (int)(Math.Min(milliseconds / most, 1) * height);
                picture.Fill(Margin + column, floor - bar, 1, bar, s_colors[panel]);
            }

            int line = floor - (int)(FrameMilliseconds / most * height);
            picture.Fill(Margin, line, columns, 1, Ink);
            picture.Write(4, line - 3, "16.7 MS", Ink);
            picture.Write(4, floor - height, string.Create(CultureInfo.InvariantCulture, $"{most:0.0} MS"), Ink);
            picture.Fill(Margin, floor, columns, 1, Ink);
        }

        return picture;
    }

    private static string Text(long microseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{microseconds / 1000.0:0.0} ms");
}

/// <summary>The runs of a comparison, as JSON has them.</summary>
internal sealed record ComparisonDocument
{
    public required List<RunDocument> Runs { get; init; }
}
