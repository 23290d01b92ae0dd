using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Engine.Tests.Documents;

/// <summary>docs/plan-reference.md is the schema of scene plans as a page.</summary>
internal sealed class PlanReferenceTests
{
    private const string Page = "docs/plan-reference.md";

    /// <summary>With ENGINE_WRITE_SCHEMA set, the page is written anew.</summary>
    [Test]
    public void The_page_is_what_the_schema_gives()
    {
        using JsonDocument schema = JsonDocument.Parse(Pages.Text("Engine/Scenes/scene-plan.schema.json"));
        string page = Write(schema.RootElement);
        if (Environment.GetEnvironmentVariable("ENGINE_WRITE_SCHEMA") is not null)
            File.WriteAllText(Pages.PathOf("docs") + "/plan-reference.md", page);

        Assert.That(Pages.Text(Page), Is.EqualTo(page));
    }

    private static string Write(JsonElement schema)
    {
        StringBuilder text = new("""
            # Scene plans: every property

            Written from the schema of plans, `scene-plan.schema.json`, by a test. What plans are for: [scenes](scenes.md). Sizes are whole bytes or text
            with a unit: 4096, "24 bytes", "1.5 GiB". All properties may be left out unless said otherwise.


            """);
        Append(text, "plan", schema);
        foreach (JsonProperty definition in schema.GetProperty("$defs").EnumerateObject())
            Append(text, definition.Name, definition.Value);

        return text.ToString().TrimEnd() + "\n";
    }

    private static void Append(StringBuilder text, string name, JsonElement definition)
    {
        string[] required = definition.TryGetProperty("required", out JsonElement names)
            ? [.. names.EnumerateArray().Select(value => value.GetString()!)] : [];
        text.Append(CultureInfo.InvariantCulture, $"## {name}\n\n| property | values | meaning |\n| --- | --- | --- |\n");
        foreach (JsonProperty property in definition.GetProperty("properties").EnumerateObject())
        {
            string meaning = property.Value.TryGetProperty("description", out JsonElement description)
                ? description.GetString()! : "";
            if (required.Contains(property.Name))
                meaning += " Required.";

            text.Append(
                CultureInfo.InvariantCulture,
                $"| `{property.Name}` | {Values(property.Value)} | {meaning.Trim().Replace("|", "\\|")} |\n");
        }

        text.Append('\n');
    }

    private static string Values(JsonElement type)
    {
        if (type.TryGetProperty("$ref", out JsonElement reference))
            return LinkTo(reference);

        if (type.TryGetProperty("enum", out JsonElement words))
            return string.Join(", ", words.EnumerateArray().Select(word => $"`{word.GetString()}`").Where(IsOfToday));

        if (type.TryGetProperty("oneOf", out JsonElement choices))
        {
            JsonElement[] each = [.. choices.EnumerateArray()];
            return each[1].TryGetProperty("pattern", out _) ? $"a size, {Range(each[0])}" : $"{Values(each[0])} or null";
        }

        if (type.TryGetProperty("items", out JsonElement items))
            return $"a list of {Values(items)}";

        return type.GetProperty("type").GetString() switch
        {
            "integer" => Range(type),
            "boolean" => "true, false",
            "object" when type.TryGetProperty("additionalProperties", out JsonElement value)
                && value.ValueKind == JsonValueKind.Object => $"by name: {Values(value)}",
            string name => name == "string" ? "text" : name,
            null => "",
        };
    }

    /// <summary>Older plans' spelling, in camelCase, is read and not advertised.</summary>
    private static bool IsOfToday(string word) => !word.Any(char.IsUpper);

    private static string LinkTo(JsonElement reference)
    {
        string name = reference.GetString()!.Split('/')[^1];
        return $"[{name}](#{name.ToLowerInvariant()})";
    }

    private static string Range(JsonElement type) => string.Create(
        CultureInfo.InvariantCulture,
        $"{type.GetProperty("minimum").GetInt64():N0} to {type.GetProperty("maximum").GetInt64():N0}");
}
