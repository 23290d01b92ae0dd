using System.Globalization;

namespace Samples.Soak.Rows;

/// <summary>Prints rows as they come, so that a long run can be watched.</summary>
internal static class SoakTable
{
    public const string Head =
        """
          second  resident  live MiB  owned MiB  fragmen-     page  OS calls   tick p50   tick p99   tick max
                       MiB                       tation %   faults                   us         us         us
        -----------------------------------------------------------------------------------------------------
        """;

    public static string Line(SoakRow row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Second,8:N0}{MiB(row.ResidentBytes),10:N1}{MiB(row.LiveBytes),10:N1}{MiB(row.OwnedBytes),11:N0}{row.FragmentationPercent,10:N1}{row.PageFaults,9:N0}"
        + $"{row.OsCalls,10:N0}{row.TickP50Nanoseconds / 1e3,11:N0}{row.TickP99Nanoseconds / 1e3,11:N0}{row.TickMaxNanoseconds / 1e3,11:N0}");

    public static string Floor(long residentBytes) =>
        string.Create(CultureInfo.InvariantCulture, $"          {MiB(residentBytes),8:N1}  with everything freed");

    public static string Summary(SoakDocument result) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {result.Ticks:N0} ticks, {result.ThreadsBorn:N0} threads, {result.ScenesLoaded:N0} scenes, {result.FailuresInjected:N0} failed OS calls, {result.Refusals:N0} of them felt
        with everything freed {MiB(result.FloorBytes[0]):N1} MiB at first, {MiB(result.FloorBytes[^1]):N1} MiB at last; growth over the run by the line of best fit {MiB(result.FloorGrowthBytes):N1} MiB
        {result.Violations.Count:N0} violations
        """);

    private static double MiB(long bytes) => bytes / 1048576.0;
}
