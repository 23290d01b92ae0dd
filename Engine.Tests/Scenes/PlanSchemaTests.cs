using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Engine.Tests.Scenes;

/// <summary>The published JSON schema says the same as the reader, as far as a schema can say it.</summary>
public class PlanSchemaTests
{
    private static readonly JsonDocumentOptions s_options =
        new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };
    private static readonly JsonElement s_schema = ReadSchema();

    private static string PathOfSchema =>
        Path.Combine(TestContext.CurrentContext.TestDirectory, "scene-plan.schema.json");

    private static IEnumerable<string> ValidNames => PlanFiles.ValidNames;

    private static IEnumerable<string> InvalidNames =>
        PlanFiles.InvalidNames.Where(name =>
            !name.StartsWith("json-", StringComparison.Ordinal) && !IsBeyondSchema(name));

    /// <summary>What a schema cannot say: that something stands twice, how two values are to each other, how large text
    /// with a unit is, that 1e2 is no integer.</summary>
    private static bool IsBeyondSchema(string invalid) =>
        invalid.Contains("twice", StringComparison.Ordinal)
        || invalid.StartsWith("base-", StringComparison.Ordinal)
        || invalid is "root-no-name" or "name-control-character" or "arenas-too-many" or "more-errors-than-are-kept"
            or "frame-lanes-exponent" or "frame-lane-too-small" or "frame-lane-too-large" or "size-not-whole"
            or "budget-zero" or "budget-below-a-superslab" or "budget-stocks-too-small" or "budget-soft-above-hard" or "budget-below-prewarm"
            or "prewarm-more-than-memory" or "blocks-bytes-zero"
            or "prewarm-together-carved" or "prewarm-together-over-budget";

    internal static SchemaChecker Checker() => new(s_schema);

    [TestCaseSource(nameof(ValidNames))]
    public void Valid_plan_is_as_the_schema_says(string name)
    {
        using JsonDocument document = JsonDocument.Parse(PlanFiles.Valid(name), s_options);
        Assert.That(Checker().Check(document.RootElement), Is.Null);
    }

    [TestCaseSource(nameof(InvalidNames))]
    public void Invalid_plan_is_not_as_the_schema_says(string name)
    {
        using JsonDocument document = JsonDocument.Parse(PlanFiles.Invalid(name), s_options);
        Assert.That(Checker().Check(document.RootElement), Is.Not.Null);
    }

    /// <summary>With ENGINE_WRITE_SCHEMA set, the schema beside the sources is written anew.</summary>
    [Test]
    public void The_schema_is_what_the_table_of_properties_gives()
    {
        if (Environment.GetEnvironmentVariable("ENGINE_WRITE_SCHEMA") is not null)
            File.WriteAllText(SourceOfSchema(), PlanTable.Schema());

        Assert.That(File.ReadAllText(PathOfSchema), Is.EqualTo(PlanTable.Schema()));
    }

    [TestCase("prefault", "populate-write")]
    [TestCase("prefault", "populateWrite")]
    [TestCase("pages", "transparent-huge")]
    [TestCase("pages", "transparentHuge")]
    public void Policies_have_the_words_of_the_environment_and_those_of_older_plans(string property, string word)
    {
        string json = $$"""{ "name": "x", "{{property}}": "{{word}}" }""";
        ScenePlan plan = PlanFiles.Parse(json);
        Assert.That(
            (plan.Prefault, plan.Pages),
            Is.AnyOf(
            (PrefaultPolicy.PopulateWrite, PageKind.Automatic), (PrefaultPolicy.Automatic, PageKind.TransparentHuge)));
        Assert.That(plan.ToJson(), Does.Contain("populate-write").Or.Contain("transparent-huge"));
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(Checker().Check(document.RootElement), Is.Null);
    }

    [Test]
    public void Every_object_is_closed_and_every_property_explained()
    {
        foreach (JsonElement definition in s_schema.GetProperty("$defs").EnumerateObject().Select(entry =>
            entry.Value).Append(s_schema))
        {
            if (definition.TryGetProperty("properties", out JsonElement properties))
            {
                Assert.That(definition.GetProperty("additionalProperties").ValueKind, Is.EqualTo(JsonValueKind.False));
                Assert.That(properties.EnumerateObject().Count(), Is.GreaterThan(0));
            }
        }
    }

    private static JsonElement ReadSchema()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(PathOfSchema));
        return document.RootElement.Clone();
    }

    private static string SourceOfSchema([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "Engine", "Scenes", "scene-plan.schema.json");
}
