namespace Samples.Benchmarks.Reporting;

/// <summary>Something that the engine sets out to reach.</summary>
/// <param name="Name">What, in words.</param>
/// <param name="Limit">What the figure is to be at most.</param>
/// <param name="Reached">The figure; null when the workloads that it is made of were not measured.</param>
/// <param name="Where">The workload that it was reached in, where the worst of several counts.</param>
internal sealed record Target(string Name, double Limit, double? Reached, string Where)
{
    /// <summary>Whether it is met; null when it was not measured.</summary>
    public bool? IsMet => Reached is null ? null : Reached <= Limit;
}
