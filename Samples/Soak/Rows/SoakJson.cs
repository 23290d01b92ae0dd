using System.Text.Json.Serialization;

namespace Samples.Soak.Rows;

/// <summary>Writes the JSON of this sample without reflection. The names are read by other programs: they stay.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(SoakDocument))]
internal sealed partial class SoakJson : JsonSerializerContext;
