// The JSON documents.
using System.Text.Json.Serialization;
using Samples.Benchmarks.Containers;
using Samples.Benchmarks.Libraries;
using Samples.Benchmarks.Lifetimes;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Scaling;

namespace Samples.Benchmarks.Reporting;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record BenchmarkDocument(IReadOnlyList<WorkloadDocument> Workloads)
{
    public static BenchmarkDocument Of(IEnumerable<WorkloadResult> results) =>
        new([.. results.Select(WorkloadDocument.Of)]);
}

/// <summary>One workload, as JSON has it.</summary>
internal sealed record WorkloadDocument(
    string Name, IReadOnlyDictionary<string, long> Parameters, IReadOnlyList<ContestantDocument> Contestants)
{
    public static WorkloadDocument Of(WorkloadResult result) => new(
        result.Work.Name,
        result.Work.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Value),
        [.. result.Contestants.Select(
            contestant => ContestantDocument.Of(contestant, result.RatioToBestPeer(contestant)))]);
}

/// <summary>One contestant's times, as JSON has them. The ratio is null where no native allocator ran from C.</summary>
internal sealed record ContestantDocument(string Name, TimesDocument NanosecondsPerOperation, double? RatioToBestPeer)
{
    private const int Digits = 4;

    public static ContestantDocument Of(ContestantResult result, double? ratio) => new(
        result.Name,
        new TimesDocument(Rounded(result.Min), Rounded(result.Median), Rounded(result.Max)),
        ratio is null ? null : Rounded(ratio.Value));

    private static double Rounded(double value) => Math.Round(value, Digits);
}

/// <summary>The fastest repetition, the median and the slowest, in nanoseconds per operation.</summary>
internal sealed record TimesDocument(double Min, double Median, double Max);

/// <summary>
/// Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(BenchmarkDocument))]
[JsonSerializable(typeof(Measurement[]))]
[JsonSerializable(typeof(ScalingDocument))]
[JsonSerializable(typeof(ScalingMeasurement))]
[JsonSerializable(typeof(CollectionsDocument))]
[JsonSerializable(typeof(SmallArenasDocument))]
[JsonSerializable(typeof(NativeLibrariesDocument))]
internal sealed partial class BenchmarkJson : JsonSerializerContext;
