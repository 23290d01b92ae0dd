using System.Text.Json.Serialization;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Scaling;

namespace Samples.Benchmarks.Reporting;

/// <summary>Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(BenchmarkDocument))]
[JsonSerializable(typeof(Measurement[]))]
[JsonSerializable(typeof(ScalingDocument))]
[JsonSerializable(typeof(ScalingMeasurement))]
internal sealed partial class BenchmarkJson : JsonSerializerContext;
