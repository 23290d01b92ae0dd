using System.Text.Json;
using Engine.Tests.Scenes;
using Engine.Tests.Support;

namespace Engine.Tests.Fuzzing;

/// <summary>Whatever bytes come as a scene plan, it is read whole or refused with its errors: no other exception, no
/// hang.</summary>
internal sealed class PlanFuzzTests
{
    private static readonly JsonDocumentOptions s_options =
        new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    [Test]
    [Category(Lane.Slow)]
    public void A_plan_is_read_whole_or_refused_with_its_errors()
    {
        PlanMutator mutator = new(TestRandom.Create(), Originals());
        SchemaChecker schema = PlanSchemaTests.Checker();
        new Fuzzer(partPercent: 50, inputs: 60_000).Run(mutator.Next, text => Read(text, schema));
    }

    private static bool Read(byte[] text, SchemaChecker schema)
    {
        ScenePlan plan;
        try
        {
            plan = ScenePlan.Parse(text, PlanFiles.Base);
        }
        catch (ScenePlanException refused)
        {
            Require(refused.Errors.Count is >= 1 and <= PlanErrors.Maximum, "it was refused without its errors");
            Require(refused.Message.Contains(refused.Errors[^1].ToString(), StringComparison.Ordinal),
                "its message lacks an error");
            return false;
        }

        string json = plan.ToJson();
        Require(PlanFiles.Parse(json).ToJson() == json, "it does not read back as it was");
        using JsonDocument document = JsonDocument.Parse(WithoutMark(text), s_options);
        string? wrong = schema.Check(document.RootElement);
        Require(wrong is null, $"the schema refuses what was read: {wrong}");
        return true;
    }

    /// <summary>Half of them valid plans, half invalid ones.</summary>
    private static byte[][] Originals() =>
    [
        .. Enumerable.Repeat(PlanFiles.ValidNames, 20).SelectMany(names => names).Select(PlanFiles.Valid),
        .. PlanFiles.InvalidNames.Select(PlanFiles.Invalid).Where(text => text.Length < 1000),
    ];

    private static byte[] WithoutMark(byte[] text) => text.AsSpan().StartsWith("\uFEFF"u8) ? text[3..] : text;

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
            throw new AssertionException(otherwise);
    }
}
