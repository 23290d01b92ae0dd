using System.Text.Json.Serialization;

namespace Samples.LevelStreaming.Rows;

/// <summary>Reads and writes the JSON of this sample without reflection. The names are read by other programs: they stay.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(StreamingDocument))]
[JsonSerializable(typeof(RowDocument))]
internal sealed partial class StreamingJson : JsonSerializerContext;
