using System.Text.Json;
using System.Text.RegularExpressions;

namespace Engine.Tests.Scenes;

/// <summary>
/// Checks a document against a JSON schema, as far as the schemas of scene plans and profiles go: it knows the keywords
/// that stand there, and throws on others, so that none is overlooked.
/// </summary>
internal sealed class SchemaChecker(JsonElement root)
{
    /// <returns>Null where the document is as the schema says, else what is not.</returns>
    public string? Check(JsonElement document) => Check(root, document, "$");

    private string? Check(JsonElement schema, JsonElement value, string path)
    {
        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            string? error = Check(schema, keyword, value, path);
            if (error is not null)
                return error;
        }

        return null;
    }

    private string? Check(JsonElement schema, JsonProperty keyword, JsonElement value, string path)
    {
        JsonElement said = keyword.Value;
        bool isNumber = value.ValueKind == JsonValueKind.Number;
        bool isText = value.ValueKind == JsonValueKind.String;
        bool isObject = value.ValueKind == JsonValueKind.Object;
        bool isList = value.ValueKind == JsonValueKind.Array;
        bool holds = keyword.Name switch
        {
            "$schema" or "$id" or "$defs" or "title" or "description" or "properties" => true,
            "type" => said.ValueKind == JsonValueKind.Array
                ? said.EnumerateArray().Any(type => IsOfType(value, type.GetString()!))
                : IsOfType(value, said.GetString()!),
            "enum" => said.EnumerateArray().Any(allowed => isText && allowed.GetString() == value.GetString()),
            "format" => said.GetString() == "date-time" && isText && value.TryGetDateTimeOffset(out _),
            "minimum" => !isNumber || value.GetDecimal() >= said.GetDecimal(),
            "maximum" => !isNumber || value.GetDecimal() <= said.GetDecimal(),
            "minLength" => !isText || value.GetString()!.EnumerateRunes().Count() >= said.GetInt32(),
            "maxLength" => !isText || value.GetString()!.EnumerateRunes().Count() <= said.GetInt32(),
            "pattern" =>
                !isText || Regex.IsMatch(
                value.GetString()!, said.GetString()!.Replace("$", "\\z", StringComparison.Ordinal)),
            "maxItems" => !isList || value.GetArrayLength() <= said.GetInt32(),
            "required" => !isObject || said.EnumerateArray().All(name =>
                value.TryGetProperty(name.GetString()!, out _)),
            "oneOf" => said.EnumerateArray().Count(branch => Check(branch, value, path) is null) == 1,
            "$ref" or "items" or "propertyNames" or "additionalProperties" => true,
            _ => throw new NotSupportedException(
                $"The schema has the keyword '{keyword.Name}', which this checker does not know."),
        };
        if (!holds)
            return $"{path}: {keyword.Name}";

        return keyword.Name switch
        {
            "$ref" => Check(Definition(said.GetString()!), value, path),
            "items" when isList => value.EnumerateArray().Select(item =>
                Check(said, item, $"{path}[]")).FirstOrDefault(error => error is not null),
            "propertyNames" when isObject => Names(value).Select(name =>
                Check(said, name, path)).FirstOrDefault(error => error is not null),
            "properties" or "additionalProperties" when isObject => CheckProperties(schema, keyword, value, path),
            _ => null,
        };
    }

    private string? CheckProperties(JsonElement schema, JsonProperty keyword, JsonElement value, string path)
    {
        bool isAdditional = keyword.Name == "additionalProperties";
        foreach (JsonProperty property in value.EnumerateObject())
        {
            JsonElement listed = default;
            bool isListed = schema.TryGetProperty("properties", out JsonElement properties)
                && properties.TryGetProperty(property.Name, out listed);
            string? error = isListed != isAdditional ? Check(isAdditional ? keyword.Value : listed, property, path)
                : null;
            if (error is not null)
                return error;
        }

        return null;
    }

    private string? Check(JsonElement schema, JsonProperty property, string path) => schema.ValueKind switch
    {
        JsonValueKind.False => $"{path}.{property.Name}: additionalProperties",
        JsonValueKind.True => null,
        _ => Check(schema, property.Value, $"{path}.{property.Name}"),
    };

    private JsonElement Definition(string reference) => reference.Split('/').Skip(1).Aggregate(root, (at, name) =>
        at.GetProperty(name));

    private static IEnumerable<JsonElement> Names(JsonElement value) =>
        value.EnumerateObject().Select(property => JsonSerializer.SerializeToElement(property.Name));

    private static bool IsOfType(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind == JsonValueKind.Null,
        "integer" =>
            value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number)
            && decimal.Truncate(number) == number,
        _ => throw new NotSupportedException($"The schema has the type '{type}', which this checker does not know."),
    };
}
