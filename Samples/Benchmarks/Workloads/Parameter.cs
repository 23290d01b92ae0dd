namespace Samples.Benchmarks.Workloads;

/// <summary>A number that defines a workload, by the name it has in JSON.</summary>
internal readonly record struct Parameter(string Name, long Value);
