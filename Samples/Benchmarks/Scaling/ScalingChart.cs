using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Reporting;
using ScottPlot;
using SkiaSharp;

namespace Samples.Benchmarks.Scaling;

/// <summary>
/// Draws how the time of an operation grows with the threads: a panel for each workload, a line for each contestant,
/// both scales logarithmic, and the legend in a panel of its own.
/// </summary>
internal static class ScalingChart
{
    private const int PanelsInRow = 2;
    private const int WidthPixels = 430;
    private const int HeightPixels = 270;
    private const float FontPixels = 11;
    private const float LinePixels = 1.5f;
    private const double MarginPowers = 0.15;
    private static readonly double[] LabelledDigits = [1, 2, 5];

    private static readonly (string Name, string Color, MarkerShape Shape)[] Drawn =
    [
        (ContestantNames.OfC("malloc"), "#8C8C8C", MarkerShape.OpenCircle),
        (ContestantNames.OfC("mimalloc"), "#3C8D2F", MarkerShape.OpenTriangleUp),
        (ContestantNames.OfC("jemalloc"), "#B8860B", MarkerShape.OpenDiamond),
        (ContestantNames.OfC("tcmalloc"), "#7B4FA3", MarkerShape.OpenSquare),
        (ContestantNames.NativeMemory, "#6B4423", MarkerShape.Cross),
        (ContestantNames.OfAheadOfTime(ContestantNames.Engine), "#1F3A5F", MarkerShape.FilledSquare),
        (ContestantNames.OfAheadOfTime(ContestantNames.Handle), "#E67E22", MarkerShape.FilledDiamond),
        (ContestantNames.Engine, "#5DA5DA", MarkerShape.FilledCircle),
        (ContestantNames.Handle, "#C0392B", MarkerShape.FilledCircle),
    ];

    // Of the libraries that were given.
    private static readonly string[] OtherColors = ["#00897B", "#D81B60", "#5E35B1", "#6D8B00"];

    public static void Save(IReadOnlyList<ScalingResult> results, string path)
    {
        (string Name, Color Color, MarkerShape Shape)[] lines = LinesOf(results[0]);
        List<Image> panels = [.. results.Select(result => Panel(result, lines)), Legend(lines)];
        int rows = (panels.Count + PanelsInRow - 1) / PanelsInRow;
        using var whole = new SKBitmap(PanelsInRow * WidthPixels, rows * HeightPixels);
        using (var canvas = new SKCanvas(whole))
        {
            canvas.Clear(SKColors.White);
            for (int index = 0; index < panels.Count; index++)
            {
                using SKBitmap panel = SKBitmap.Decode(panels[index].GetImageBytes(ImageFormat.Png));
                canvas.DrawBitmap(panel, index % PanelsInRow * WidthPixels, index / PanelsInRow * HeightPixels);
            }
        }

        ChartFile.Write(whole, path);
    }

    private static (string Name, Color Color, MarkerShape Shape)[] LinesOf(ScalingResult result)
    {
        var known = Drawn.Where(line => result.Names.Contains(line.Name))
            .Select(line => (line.Name, Color.FromHex(line.Color), line.Shape));
        var given = result.Peers.Where(name => !Array.Exists(Drawn, line => line.Name == name))
            .Select((name, index) =>
                (name, Color.FromHex(OtherColors[index % OtherColors.Length]), MarkerShape.OpenTriangleDown));
        return [.. given, .. known];
    }

    private static Image Panel(ScalingResult result, (string Name, Color Color, MarkerShape Shape)[] lines)
    {
        using var plot = new Plot();
        List<double> powers = [];
        foreach ((string name, Color color, MarkerShape shape) in lines)
        {
            Coordinates[] marks = [.. result.Points.Select(point => new Coordinates(
                Math.Log2(point.Load.Threads), Math.Log10(point.Find(name)!.Median)))];
            powers.AddRange(marks.Select(mark => mark.Y));
            Style(plot.Add.Scatter(marks, color), shape);
        }

        plot.Title($"{result.Work.Name}: ns per {result.Work.Operation}");
        plot.Axes.Title.Label.FontSize = FontPixels + 1;
        double least = powers.Min() - MarginPowers, most = powers.Max() + MarginPowers;
        plot.Axes.SetLimitsY(least, most);
        double[] labels = [.. LabelsBetween(least, most)];
        plot.Axes.Left.SetTicks([.. labels.Select(Math.Log10)], [.. labels.Select(label => TimeText.Of(label))]);
        plot.Axes.Bottom.SetTicks(
            [.. result.Points.Select(point => Math.Log2(point.Load.Threads))],
            [.. result.Points.Select(point => $"{point.Load.Threads}")]);
        plot.Axes.Left.TickLabelStyle.FontSize = FontPixels;
        plot.Axes.Bottom.TickLabelStyle.FontSize = FontPixels;
        plot.XLabel("threads", FontPixels);
        return plot.GetImage(WidthPixels, HeightPixels);
    }

    private static Image Legend((string Name, Color Color, MarkerShape Shape)[] lines)
    {
        using var plot = new Plot();
        foreach ((string name, Color color, MarkerShape shape) in lines.Reverse())
        {
            // A mark far away from what is shown.
            ScottPlot.Plottables.Scatter line = plot.Add.Scatter(new Coordinates[] { new(-1, -1) }, color);
            line.LegendText = name;
            Style(line, shape);
        }

        plot.Axes.SetLimits(0, 1, 0, 1);
        plot.HideAxesAndGrid();
        plot.Legend.FontSize = FontPixels;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.ShowLegend(Alignment.MiddleCenter);
        return plot.GetImage(WidthPixels, HeightPixels);
    }

    private static void Style(ScottPlot.Plottables.Scatter line, MarkerShape shape)
    {
        line.LineWidth = LinePixels;
        line.MarkerShape = shape;
        line.MarkerSize = FontPixels / 2 + 2;
    }

    private static IEnumerable<double> LabelsBetween(double least, double most)
    {
        for (int power = (int)Math.Floor(least); power <= most; power++)
        {
            foreach (double digit in LabelledDigits)
            {
                double label = digit * Math.Pow(10, power);
                if (Math.Log10(label) >= least && Math.Log10(label) <= most)
                    yield return label;
            }
        }
    }
}
