using System.Text.Json.Serialization;
using System.Text.Json;

namespace PlatformProbe;

/// <summary>Serialization without reflection, so that the probe can be compiled ahead of time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ProbeResult))]
internal sealed partial class ProbeJson : JsonSerializerContext;
