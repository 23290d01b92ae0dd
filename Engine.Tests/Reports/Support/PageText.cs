using System.Globalization;

namespace Engine.Tests.Reports.Support;

/// <summary>Numbers as the page is to write them, for tests that recompute them.</summary>
internal static class PageText
{
    private static readonly string[] s_byteUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

    public static string Time(double nanoseconds) => nanoseconds switch
    {
        < 1e3 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds:0} ns"),
        < 1e6 => Digits(nanoseconds / 1e3) + " µs",
        < 1e9 => Digits(nanoseconds / 1e6) + " ms",
        _ => Digits(nanoseconds / 1e9) + " s",
    };

    /// <summary>A moment with as many digits as tell moments apart that lie a step from each other.</summary>
    public static string Moment(double nanoseconds, double step)
    {
        (double size, string unit) = nanoseconds switch
        {
            >= 1e9 => (1e9, "s"),
            >= 1e6 => (1e6, "ms"),
            >= 1e3 => (1e3, "µs"),
            _ => (1, "ns"),
        };
        int decimals = Math.Clamp((int)Math.Ceiling(-Math.Log10(step / size) - 1e-9), 0, 9);
        return Math.Round((decimal)nanoseconds / (decimal)size, decimals, MidpointRounding.AwayFromZero)
            .ToString("N" + decimals, CultureInfo.InvariantCulture) + " " + unit;
    }

    public static string Bytes(double bytes)
    {
        int unit = 0;
        for (; bytes >= 1024 && unit < s_byteUnits.Length - 1; unit++)
            bytes /= 1024;

        return $"{Digits(bytes)} {s_byteUnits[unit]}";
    }

    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Three significant digits, and above them all before the point; half away from zero.</summary>
    public static string Digits(double value)
    {
        if (value == 0)
            return "0";

        decimal exact = (decimal)value;
        int decimals = 2 - (int)Math.Floor(Math.Log10(Math.Abs(value)));
        return Math.Round(exact, Math.Max(0, decimals), MidpointRounding.AwayFromZero)
            .ToString("#,0.######", CultureInfo.InvariantCulture);
    }
}
