// The chart of all workloads.
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using ScottPlot;
using SkiaSharp;

namespace Samples.Benchmarks.Reporting;

/// <summary>
/// Draws who needs how much of the best peer's time: a line for each workload, a mark for each contestant, the time on
/// a logarithmic scale. Left of the middle is faster than the best native allocator.
/// </summary>
internal static class RatioChart
{
    private const int WidthPixels = 860;
    private const int LinePixels = 15;
    private const float FontPixels = 11;
    private const int FramePixels = 120;

    // The axis goes from an eighth to sixteen times, in powers of two; what lies beyond is drawn at its end.
    private const int LeastPower = -3;
    private const int MostPower = 4;

    private static readonly (string Name, string Color, MarkerShape Shape, float Size)[] Drawn =
    [
        (ContestantNames.OfC("malloc"), "#8C8C8C", MarkerShape.OpenCircle, 8),
        (ContestantNames.OfC("mimalloc"), "#3C8D2F", MarkerShape.OpenTriangleUp, 8),
        (ContestantNames.OfC("jemalloc"), "#B8860B", MarkerShape.OpenDiamond, 9),
        (ContestantNames.OfC("tcmalloc"), "#7B4FA3", MarkerShape.OpenSquare, 8),
        (ContestantNames.Gc, "#6B4423", MarkerShape.Cross, 8),
        (ContestantNames.HandleCold, "#C0392B", MarkerShape.OpenCircle, 10),
        (ContestantNames.Engine, "#5DA5DA", MarkerShape.FilledCircle, 10),
        (ContestantNames.Handle, "#C0392B", MarkerShape.FilledCircle, 10),
        (ContestantNames.FrameArena, "#E67E22", MarkerShape.FilledDiamond, 12),
        (ContestantNames.ArenaDispose, "#1F3A5F", MarkerShape.FilledSquare, 9),
    ];

    public static void Save(IReadOnlyList<WorkloadResult> results, string path)
    {
        List<WorkloadResult> compared = [.. results.Where(result => result.BestPeer is not null)];
        using var plot = new Plot();
        foreach ((string name, string color, MarkerShape shape, float size) in Drawn)
            Draw(plot, compared, name, Color.FromHex(color), shape, size);

        plot.Add.VerticalLine(0, 1.5f, Colors.Black);
        plot.Title("time relative to the best native allocator run from C (left is faster)");
        plot.Axes.Left.SetTicks(
            [.. compared.Select((_, line) => (double)-line)], [.. compared.Select(result => result.Work.Id)]);
        int[] powers = [.. Enumerable.Range(LeastPower, MostPower - LeastPower + 1)];
        plot.Axes.Bottom.SetTicks(
            [.. powers.Select(power => (double)power)],
            [.. powers.Select(power => power < 0 ? $"1/{1 << -power}" : $"{1 << power}")]);
        plot.Axes.SetLimits(LeastPower - 0.2, MostPower + 0.2, -compared.Count + 0.3, 0.7);
        plot.HideGrid();
        plot.Axes.Left.TickLabelStyle.FontSize = FontPixels;
        plot.Axes.Bottom.TickLabelStyle.FontSize = FontPixels;
        plot.Axes.Title.Label.FontSize = FontPixels + 2;
        plot.Legend.FontSize = FontPixels;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.ShowLegend(Edge.Bottom);
        Image image = plot.GetImage(WidthPixels, FramePixels + (LinePixels * compared.Count));
        using SKBitmap pixels = SKBitmap.Decode(image.GetImageBytes(ImageFormat.Png));
        ChartFile.Write(pixels, path);
    }

    private static void Draw(
        Plot plot, List<WorkloadResult> compared, string name, Color color, MarkerShape shape, float size)
    {
        List<Coordinates> marks = [];
        for (int line = 0; line < compared.Count; line++)
        {
            if (compared[line].Find(name) is { } contestant)
            {
                double power = Math.Log2(compared[line].RatioToBestPeer(contestant)!.Value);
                marks.Add(new Coordinates(Math.Clamp(power, LeastPower, MostPower), -line));
            }
        }

        if (marks.Count > 0)
        {
            ScottPlot.Plottables.Scatter scatter = plot.Add.ScatterPoints(marks, color);
            scatter.LegendText = name;
            scatter.MarkerShape = shape;
            scatter.MarkerSize = size;
        }
    }
}

/// <summary>Writes charts.</summary>
internal static class ChartFile
{
    private const int MostCompression = 9;

    /// <summary>
    /// Writes a PNG file with few colours and no transparency: a third of the bytes, and nothing that could be seen.
    /// </summary>
    public static void Write(SKBitmap full, string path)
    {
        using var reduced = new SKBitmap(full.Width, full.Height, SKColorType.Argb4444, SKAlphaType.Opaque);
        using (var canvas = new SKCanvas(reduced))
        {
            canvas.DrawBitmap(full, 0, 0);
        }

        using SKPixmap pixels = reduced.PeekPixels();
        using FileStream file = File.Create(path);
        pixels.Encode(file, new SKPngEncoderOptions(SKPngEncoderFilterFlags.AllFilters, MostCompression));
    }
}
