// The JSON documents, the table, and the line through the floors.
using System.Globalization;
using System.Text.Json.Serialization;
using Samples.Common;
using SuperSlab.Diagnostics;

namespace Samples.Soak;

/// <summary>What a run found.</summary>
internal sealed record SoakDocument
{
    public required int Seconds { get; init; }
    public required int Seed { get; init; }
    public required IReadOnlyList<SoakRow> Rows { get; init; }

    /// <summary>Resident bytes of the process when everything was freed, each time that was done.</summary>
    public required IReadOnlyList<long> FloorBytes { get; init; }

    /// <summary>How much the floor grows by the line that fits best, warm-up left out, over the whole run.</summary>
    public required long FloorGrowthBytes { get; init; }

    /// <summary>What the world's live blocks cost when all else had ended; empty unless sizes drift.</summary>
    public required IReadOnlyList<SoakLull> Lulls { get; init; }

    public required long Ticks { get; init; }
    public required long ThreadsBorn { get; init; }
    public required long ScenesLoaded { get; init; }

    /// <summary>OS calls that were made to fail.</summary>
    public required long FailuresInjected { get; init; }

    /// <summary>How often the engine had no memory to give; all of them by injected failures.</summary>
    public required long Refusals { get; init; }

    /// <summary>What must not have been.</summary>
    public required IReadOnlyList<string> Violations { get; init; }
}

/// <summary>A moment at which only the world's blocks live, and all arenas are trimmed.</summary>
/// <param name="LiveBytes">What the world's blocks were asked for with.</param>
/// <param name="ResidentBytes">Of the process.</param>
/// <param name="Use">All that the engine holds, its tables included.</param>
internal sealed record SoakLull(int Second, long LiveBytes, long ResidentBytes, MemoryUse Use)
{
    public double HeldToLive => (double)Use.Bytes / Math.Max(1, LiveBytes);
}

/// <summary>Ten seconds of a run.</summary>
internal sealed record SoakRow
{
    public required int Second { get; init; }

    /// <summary>Of the process, at the end of the ten seconds.</summary>
    public required long ResidentBytes { get; init; }

    public required long LiveBytes { get; init; }

    /// <summary>SuperSlabs that arenas own, in bytes.</summary>
    public required long OwnedBytes { get; init; }

    /// <summary>The share of the long-lived arenas' SuperSlabs in which no live block lies, percent.</summary>
    public required double FragmentationPercent { get; init; }

    /// <summary>Page faults of the process, populated pages included.</summary>
    public required long PageFaults { get; init; }

    public required long OsCalls { get; init; }
    public required long TickP50Nanoseconds { get; init; }
    public required long TickP99Nanoseconds { get; init; }
    public required long TickMaxNanoseconds { get; init; }
}

/// <summary>
/// Writes the JSON of this sample without reflection. The names are read by other programs: they stay.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(SoakDocument))]
internal sealed partial class SoakJson : JsonSerializerContext;

/// <summary>Prints rows as they come, so that a long run can be watched.</summary>
internal static class SoakTable
{
    public const string Head =
        """
          second  resident  live MiB  owned MiB  fragmen-     page  OS calls   tick p50   tick p99   tick max
                       MiB                       tation %   faults                   µs         µs         µs
        -----------------------------------------------------------------------------------------------------
        """;

    public static string Line(SoakRow row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Second,8:N0}{MiB(row.ResidentBytes),10:N1}{MiB(row.LiveBytes),10:N1}{MiB(row.OwnedBytes),11:N0}"
        + $"{row.FragmentationPercent,10:N1}{row.PageFaults,9:N0}{row.OsCalls,10:N0}"
        + $"{row.TickP50Nanoseconds / 1e3,11:N0}{row.TickP99Nanoseconds / 1e3,11:N0}"
        + $"{row.TickMaxNanoseconds / 1e3,11:N0}");

    public static string Floor(long residentBytes) =>
        string.Create(CultureInfo.InvariantCulture, $"          {MiB(residentBytes),8:N1}  with everything freed");

    public static string Lull(SoakLull lull) => string.Create(
        CultureInfo.InvariantCulture,
        $"          {MiB(lull.ResidentBytes),8:N1}{MiB(lull.LiveBytes),10:N1}{MiB(lull.Use.Bytes),11:N1}  held, "
        + $"{lull.HeldToLive:N3} for each live byte: blocks {MiB(lull.Use.LiveBytes):N1}, "
        + $"cached {MiB(lull.Use.CachedBytes):N1}, free in used slabs {MiB(lull.Use.FreeBlockBytes):N1}, "
        + $"free slabs {MiB(lull.Use.FreeSlabBytes):N1}, ready {MiB(lull.Use.ReadyBytes):N1}, "
        + $"tables {MiB(lull.Use.TableBytes):N1}");

    public static string Summary(SoakDocument result) => string.Create(
        CultureInfo.InvariantCulture,
        $"{FigureText.Count(result.Ticks, "tick")}, {FigureText.Count(result.ThreadsBorn, "thread")}, "
        + $"{FigureText.Count(result.ScenesLoaded, "scene")}, "
        + $"{FigureText.Count(result.FailuresInjected, "failed OS call")}, {result.Refusals:N0} of them felt\n"
        + $"with everything freed {FigureText.Bytes(result.FloorBytes[0])} at first, "
        + $"{FigureText.Bytes(result.FloorBytes[^1])} at last; growth over the run by the line of best fit "
        + $"{FigureText.Bytes(result.FloorGrowthBytes)}\n"
        + $"{HeldToLive(result)}{FigureText.Count(result.Violations.Count, "violation")}");

    private static string HeldToLive(SoakDocument result) => result.Lulls.Count == 0 ? "" : string.Create(
        CultureInfo.InvariantCulture,
        $"held for each live byte, with all but the world ended: {result.Lulls[^1].HeldToLive:N3} at last, "
        + $"{result.Lulls.Max(lull => lull.HeldToLive):N3} at most; the aim is 1.3\n");

    private static double MiB(long bytes) => bytes / 1048576.0;
}

/// <summary>The straight line that fits measurements at even distances best (least squares).</summary>
internal static class Slope
{
    /// <summary>How much the line rises from the first measurement to the last. Of fewer than two it is 0.</summary>
    public static double Rise(ReadOnlySpan<long> values)
    {
        if (values.Length < 2)
            return 0;

        double middle = (values.Length - 1) / 2.0;
        double mean = 0;
        foreach (long value in values)
            mean += value / (double)values.Length;

        double products = 0;
        double squares = 0;
        for (int index = 0; index < values.Length; index++)
        {
            products += (index - middle) * (values[index] - mean);
            squares += (index - middle) * (index - middle);
        }

        return products / squares * (values.Length - 1);
    }
}
