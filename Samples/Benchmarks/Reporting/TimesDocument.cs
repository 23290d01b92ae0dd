namespace Samples.Benchmarks.Reporting;

/// <summary>The fastest repetition, the median and the slowest, in nanoseconds per operation.</summary>
internal sealed record TimesDocument(double Min, double Median, double Max);
