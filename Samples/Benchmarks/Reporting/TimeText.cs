using System.Globalization;

namespace Samples.Benchmarks.Reporting;

/// <summary>How figures stand in the tables.</summary>
internal static class TimeText
{
    /// <summary>What stands where there is no figure.</summary>
    public const string None = "-";

    /// <summary>A time in nanoseconds, with three digits that count.</summary>
    public static string Of(double? nanoseconds) => nanoseconds?.ToString(
        nanoseconds switch { < 10 => "N2", < 100 => "N1", _ => "N0" },
        CultureInfo.InvariantCulture) ?? None;

    /// <summary>A ratio.</summary>
    public static string Ratio(double? ratio) => ratio?.ToString(ratio < 100 ? "N2" : "N0", CultureInfo.InvariantCulture) ?? None;
}
