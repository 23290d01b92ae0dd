using Samples.Benchmarks.Measuring;

namespace Samples.Benchmarks.Reporting;

/// <summary>One workload, as JSON has it.</summary>
internal sealed record WorkloadDocument(string Name, IReadOnlyDictionary<string, long> Parameters, IReadOnlyList<ContestantDocument> Contestants)
{
    /// <summary>The document of a result.</summary>
    public static WorkloadDocument Of(WorkloadResult result) => new(
        result.Work.Name,
        result.Work.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Value),
        [.. result.Contestants.Select(contestant => ContestantDocument.Of(contestant, result.RatioToBestPeer(contestant)))]);
}
