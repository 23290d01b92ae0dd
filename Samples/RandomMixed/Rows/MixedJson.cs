using System.Text.Json.Serialization;

namespace Samples.RandomMixed.Rows;

/// <summary>Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MixedDocument))]
[JsonSerializable(typeof(Measurement))]
internal sealed partial class MixedJson : JsonSerializerContext;
