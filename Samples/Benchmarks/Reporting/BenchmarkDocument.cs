using Samples.Benchmarks.Measuring;

namespace Samples.Benchmarks.Reporting;

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record BenchmarkDocument(IReadOnlyList<WorkloadDocument> Workloads)
{
    /// <summary>The document of some results.</summary>
    public static BenchmarkDocument Of(IEnumerable<WorkloadResult> results) => new([.. results.Select(WorkloadDocument.Of)]);
}
