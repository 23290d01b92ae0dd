using System.Globalization;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Showing;

/// <summary>Numbers as people read them.</summary>
internal static class Texts
{
    private static readonly string[] s_byteUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

    public static CultureInfo Culture => CultureInfo.InvariantCulture;

    public static string Bytes(long bytes)
    {
        double value = Math.Abs((double)bytes);
        int unit = 0;
        for (; value >= 1024 && unit < s_byteUnits.Length - 1; unit++)
        {
            value /= 1024;
        }

        return string.Create(
            Culture,
            $"{(bytes < 0 ? "-" : "")}{value.ToString(unit == 0 || value >= 100 ? "0" : "0.#", Culture)} "
            + $"{s_byteUnits[unit]}");
    }

    /// <summary>A cell of an engine's table; a dash where the column does not apply to the row.</summary>
    public static string Value(ProfileTable.Column column, ProfileDocument document, int row) =>
        column.Number(document, row) is not { } number ? "–"
        : column.Unit == ProfileTable.Unit.Bytes ? Bytes(number)
        : number.ToString("N0", Culture);

    public static string Time(long nanoseconds) => nanoseconds switch
    {
        < 1_000 => string.Create(Culture, $"{nanoseconds} ns"),
        < 1_000_000 => string.Create(Culture, $"{nanoseconds / 1e3:0.#} us"),
        < 1_000_000_000 => string.Create(Culture, $"{nanoseconds / 1e6:0.##} ms"),
        _ => string.Create(Culture, $"{nanoseconds / 1e9:0.##} s"),
    };
}
