using System.Text.Json;

namespace Engine.Tests.Samples;

/// <summary>The names in a JSON document, written as one line: objects as {name,name:shape}, arrays as [shape of the
/// first element].</summary>
internal static class JsonShape
{
    public static string Of(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(",", element.EnumerateObject().Select(Member)) + "}",
        JsonValueKind.Array => "[" + (element.GetArrayLength() == 0 ? "" : Of(element[0])) + "]",
        _ => "",
    };

    private static string Member(JsonProperty property)
    {
        string shape = Of(property.Value);
        return shape.Length == 0 ? property.Name : $"{property.Name}:{shape}";
    }
}
