using Samples.Benchmarks.Measuring;

namespace Samples.Benchmarks.Reporting;

/// <summary>One contestant's times, as JSON has them. The ratio is null where no native allocator ran from C.</summary>
internal sealed record ContestantDocument(string Name, TimesDocument NanosecondsPerOperation, double? RatioToBestPeer)
{
    private const int Digits = 4;

    /// <summary>The document of a result.</summary>
    public static ContestantDocument Of(ContestantResult result, double? ratio) => new(
        result.Name,
        new TimesDocument(Rounded(result.Min), Rounded(result.Median), Rounded(result.Max)),
        ratio is null ? null : Rounded(ratio.Value));

    private static double Rounded(double value) => Math.Round(value, Digits);
}
