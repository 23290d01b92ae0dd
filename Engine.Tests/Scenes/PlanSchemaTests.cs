using System.Text.Json;

namespace Engine.Tests.Scenes;

/// <summary>The published JSON schema says the same as the reader, as far as a schema can say it.</summary>
public class PlanSchemaTests
{
    private static readonly JsonDocumentOptions s_options = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };
    private static readonly JsonElement s_schema = ReadSchema();

    private static IEnumerable<string> ValidNames => PlanFiles.ValidNames;

    private static IEnumerable<string> InvalidNames =>
        PlanFiles.InvalidNames.Where(name => !name.StartsWith("json-", StringComparison.Ordinal) && !IsBeyondSchema(name));

    /// <summary>What a schema cannot say: that something stands twice, how two values are to each other, how large text with a unit is, that 1e2 is no integer.</summary>
    private static bool IsBeyondSchema(string invalid) =>
        invalid.Contains("twice", StringComparison.Ordinal)
        || invalid.StartsWith("base-", StringComparison.Ordinal)
        || invalid is "root-no-name" or "name-control-character" or "arenas-too-many" or "more-errors-than-are-kept"
            or "frame-lanes-exponent" or "frame-lane-too-small" or "frame-lane-too-large" or "size-not-whole"
            or "budget-zero" or "budget-below-a-superslab" or "budget-soft-above-hard" or "budget-below-prewarm"
            or "prewarm-more-than-memory" or "blocks-bytes-zero";

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

    [Test]
    public void Objects_have_the_properties_that_the_reader_knows() => Assert.Multiple(() =>
    {
        Assert.That(Names(s_schema), Is.EqualTo(PlanNames.Plan));
        Assert.That(Names(Definition("frame")), Is.EqualTo(PlanNames.Frame));
        Assert.That(Names(Definition("arena")), Is.EqualTo(PlanNames.Arena));
        Assert.That(Names(Definition("budget")), Is.EqualTo(PlanNames.Budget));
        Assert.That(Names(Definition("prewarm")), Is.EqualTo(PlanNames.Prewarm));
        Assert.That(Names(Definition("block")), Is.EqualTo(PlanNames.Block));
        Assert.That(Names(Definition("hotLoop")), Is.EqualTo(PlanNames.HotLoop));
        Assert.That(Names(Definition("rule")), Is.EqualTo(PlanNames.Rule));
    });

    [Test]
    public void Every_object_is_closed_and_every_property_explained()
    {
        foreach (JsonElement definition in s_schema.GetProperty("$defs").EnumerateObject().Select(entry => entry.Value).Append(s_schema))
        {
            if (definition.TryGetProperty("properties", out JsonElement properties))
            {
                Assert.That(definition.GetProperty("additionalProperties").ValueKind, Is.EqualTo(JsonValueKind.False));
                Assert.That(properties.EnumerateObject().Count(), Is.GreaterThan(0));
            }
        }
    }

    [Test]
    public void Numbers_have_the_ranges_that_the_reader_knows() => Assert.Multiple(() =>
    {
        Check("frame", "lanes", PlanRange.Lanes);
        Check("frame", "buffers", PlanRange.Buffers);
        Check("frame", "overflowSuperSlabs", PlanRange.OverflowSuperSlabs);
        Check("arena", "threads", PlanRange.Threads);
        Check("prewarm", "superSlabs", PlanRange.SuperSlabs);
        Check("block", "count", PlanRange.BlockCount);
        Check("block", "threads", PlanRange.BlockThreads);
        Check("hotLoop", "warmUpFrames", PlanRange.WarmUpFrames);
        Check("rule", "allowed", PlanRange.AllowedPerFrame);
        Assert.That(Definition("size").GetProperty("oneOf")[0].GetProperty("maximum").GetInt64(), Is.EqualTo(PlanRange.Retain.Maximum));
        Assert.That(Definition("prewarm").GetProperty("properties").GetProperty("blocks").GetProperty("maxItems").GetInt32(), Is.EqualTo(PlanRange.Blocks));
        Assert.That(Property(s_schema, "name").GetProperty("maxLength").GetInt32(), Is.EqualTo(PlanRange.SceneNameLength));
        Assert.That(Property(s_schema, "arenas").GetProperty("propertyNames").GetProperty("maxLength").GetInt32(), Is.EqualTo(PlanRange.ArenaNameLength));
    });

    [Test]
    public void Choices_have_the_words_that_the_reader_knows() => Assert.Multiple(() =>
    {
        Assert.That(Words(Property(s_schema, "prefault")), Is.EqualTo(PlanChoices.Prefault.Words));
        Assert.That(Words(Property(s_schema, "pages")), Is.EqualTo(PlanChoices.Pages.Words));
        Assert.That(Words(Property(Definition("arena"), "overflow")), Is.EqualTo(PlanChoices.Overflow.Words));
        Assert.That(Words(Property(Definition("rule"), "action")), Is.EqualTo(PlanChoices.Action.Words));
    });

    private static void Check(string definition, string property, PlanRange range)
    {
        JsonElement said = Property(Definition(definition), property);
        Assert.That(
            (said.GetProperty("type").GetString(), said.GetProperty("minimum").GetInt64(), said.GetProperty("maximum").GetInt64()),
            Is.EqualTo(("integer", range.Minimum, range.Maximum)),
            property);
    }

    private static JsonElement ReadSchema()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestContext.CurrentContext.TestDirectory, "scene-plan.schema.json")));
        return document.RootElement.Clone();
    }

    private static JsonElement Definition(string name) => s_schema.GetProperty("$defs").GetProperty(name);

    private static JsonElement Property(JsonElement definition, string name) => definition.GetProperty("properties").GetProperty(name);

    private static IEnumerable<string> Names(JsonElement definition) => definition.GetProperty("properties").EnumerateObject().Select(property => property.Name);

    private static IEnumerable<string?> Words(JsonElement property) => property.GetProperty("enum").EnumerateArray().Select(word => word.GetString());
}
