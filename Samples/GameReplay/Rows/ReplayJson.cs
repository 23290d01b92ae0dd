using System.Text.Json.Serialization;
using Samples.GameReplay.Learning;

namespace Samples.GameReplay.Rows;

/// <summary>Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ReplayDocument))]
[JsonSerializable(typeof(RowMeasurement))]
[JsonSerializable(typeof(TraceProfile))]
internal sealed partial class ReplayJson : JsonSerializerContext;
