using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Engine.Tests.Scenes;
using SuperSlab.Diagnostics;

namespace Engine.Tests.Diagnostics;

/// <summary>
/// The file format of profiles: the published JSON schema is what the reader's types give, profiles of every version
/// open, and what is no profile is refused with a sentence.
/// </summary>
internal sealed class ProfileSchemaTests
{
    private static readonly JsonElement s_schema = JsonSerializer.Deserialize<JsonElement>(
        File.ReadAllBytes(Path.Combine(TestContext.CurrentContext.TestDirectory, "profile.schema.json")));

    private static string FirstVersion => File.ReadAllText(
        Path.Combine(TestContext.CurrentContext.TestDirectory, "Diagnostics", "profile-version-1.json"));

    /// <summary>With ENGINE_WRITE_SCHEMA set, the schema beside the sources is written anew.</summary>
    [Test]
    public void The_schema_is_what_the_types_of_a_profile_give()
    {
        string schema = Schema();
        if (Environment.GetEnvironmentVariable("ENGINE_WRITE_SCHEMA") is not null)
            File.WriteAllText(SourceOfSchema(), schema);

        Assert.That(
            File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "profile.schema.json")),
            Is.EqualTo(schema));
    }

    [Test]
    public void A_profile_of_a_run_is_as_the_schema_says()
    {
        using JsonDocument document = JsonDocument.Parse(Written(Run()));
        Assert.That(new SchemaChecker(s_schema).Check(document.RootElement), Is.Null);
    }

    [TestCase("\"application\":", "\"applikation\":")]
    [TestCase("\"version\":2", "\"version\":\"2\"")]
    [TestCase("\"state\":\"owned\"", "\"state\":\"lent\"")]
    [TestCase("\"count\":3", "\"count\":3.5")]
    public void What_the_reader_refuses_the_schema_refuses(string right, string wrong)
    {
        string json = Written(Run());
        Assert.That(json, Does.Contain(right));
        string changed = json.Replace(right, wrong, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(changed);
        Assert.That(new SchemaChecker(s_schema).Check(document.RootElement), Is.Not.Null);
        Assert.That(() => Read(changed), Throws.InstanceOf<JsonException>());
    }

    [TestCase("\"version\":1,")]
    [TestCase("")]
    public void A_profile_of_the_first_version_opens_whether_it_says_its_version_or_not(string version)
    {
        Assert.That(FirstVersion, Does.Contain("\"version\":1,"));
        ProfileDocument document = Read(FirstVersion.Replace("\"version\":1,", version, StringComparison.Ordinal));
        Assert.Multiple(() =>
        {
            Assert.That(document.Version, Is.EqualTo(2));
            Assert.That(document.Application, Is.EqualTo("an old game --level 2"));
            Assert.That(
                document.Totals,
                Is.EqualTo(new MemoryTotals(0x7f0000000000, 1 << 30, 9 << 20, 3, 1, 65536, 12, 800_000)));
            Assert.That(
                document.Arenas.Select(arena =>
                    (arena.Name.ToString(), arena.IsFrame, arena.SuperSlabCount, arena.LiveBytes)),
                Is.EqualTo(new[] { ("world", false, 2, 1_000_000L), ("frames", true, 1, 4096L) }));
            Assert.That(document.Arenas[0].SoftBudgetBytes, Is.EqualTo(4 << 20));
            Assert.That(document.Arenas[0].SoftOverrunCount, Is.EqualTo(1));
            Assert.That(document.ArenaName(document.Classes.Single().ArenaNumber), Is.EqualTo("world"));
            Assert.That(
                document.Classes.Single() with { ArenaNumber = 0 },
                Is.EqualTo(new SizeClassRow(0, 64, 100, 20, 5, 128)));
            Assert.That(document.SuperSlabs.Select(one => one.State), Is.EqualTo(
                new[] { SuperSlabState.Owned, SuperSlabState.Owned, SuperSlabState.Ready, SuperSlabState.Free }));
            Assert.That(document.SuperSlabs[0].Slabs.Take(2), Is.EqualTo((long[])[64, 0]));
            Assert.That(document.ArenaName(document.Lanes.Single().ArenaNumber), Is.EqualTo("frames"));
            Assert.That(document.ThreadCaches.Single().BlockCount, Is.EqualTo(5));
            Assert.That(document.Tags.Select(tag => (tag.Number, tag.AllocationCount, tag.FreeCount)), Is.EqualTo(
                new[] { (0, 10L, 4L), (1, 110L, 6L) }));
            Assert.That(document.Frames.Nanoseconds, Is.EqualTo((long[])[1_500_000, 2_500_000]));
            Assert.That(document.Frames.Starts, Is.EqualTo((long[])[0, 16_000_000]));
            Assert.That(document.Frames["page_faults"], Is.EqualTo((long[])[0, 3]));
            Assert.That(document.Frames["managed_bytes"], Is.Empty, "what nobody counted");
            Assert.That(document.Hitches.Single().Reason, Is.EqualTo("3 page faults"));
            Assert.That(document.Memory.Arenas.Single().Values, Is.EqualTo((long[])[0, 1_000_000]));
            Assert.That(document.Events.Single().StartNanoseconds, Is.EqualTo(5));
            Assert.That(document.Plans.Single().PlannedBytes, Is.EqualTo(6 << 20));
        });

        using JsonDocument upgraded = JsonDocument.Parse(Written(document));
        Assert.That(new SchemaChecker(s_schema).Check(upgraded.RootElement), Is.Null);
    }

    [Test]
    public void What_a_profile_lacks_is_empty_and_never_null()
    {
        ProfileDocument document = Read(Least(
            "\"superSlabs\":[{}],\"arenas\":[{}],\"frames\":{},\"memory\":{},\"faults\":{},\"hitches\":null"));
        using JsonDocument written = JsonDocument.Parse(Written(document));
        Assert.That(new SchemaChecker(s_schema).Check(written.RootElement), Is.Null);
        Assert.That(Written(Read(Least("\"plans\":[]"))), Does.Not.Contain("null"));
        Assert.That(document.SuperSlabs.Single().Slabs, Is.Empty);
        Assert.That(document.Frames.Nanoseconds, Is.Empty);
    }

    [TestCase("\"hitches\":[null]", "One of its rows is null.")]
    [TestCase("\"superSlabs\":[{\"slabs\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]",
        "It is no profile: A SuperSlab has 32 slabs, not 33.")]
    public void Rows_that_cannot_be_are_refused_with_a_sentence(string property, string sentence) =>
        Assert.That(() => Read(Least(property)), Throws.InstanceOf<JsonException>().With.Message.StartsWith(sentence));

    [TestCase("{\"version\":3}",
        "It is a profile of version 3; this program reads versions 1 to 2, and a newer one wrote it.")]
    [TestCase("{\"version\":0}", "It is a profile of version 0; this program reads versions 1 to 2.")]
    [TestCase("{\"version\":\"2\"}", "Its version is no whole number.")]
    [TestCase("{\"a\":[1,{\"version\":2}],\"version\":2.5}", "Its version is no whole number.")]
    [TestCase("[]", "It is no object of JSON.")]
    [TestCase("{}", "It has no reservation, as a profile of version 1 has.")]
    [TestCase("{\"reservation\":{},\"reservation\":{}}", "It is no whole profile of version 1: ")]
    [TestCase("{\"reservation\":{},\"arenas\":[{\"name\":7}]}", "It is no whole profile of version 1: ")]
    public void What_is_no_profile_is_refused_with_a_sentence(string json, string sentence) =>
        Assert.That(() => Read(json), Throws.InstanceOf<JsonException>().With.Message.StartsWith(sentence));

    [TestCase("")]
    [TestCase("{\"version\":2")]
    [TestCase("{\"version\":2}")]
    [TestCase("MZ\u0090")]
    [TestCase("{\"reservation\":{},\"frames\":{\"starts\":[0],\"count\":\"no\"}}")]
    public void Garbage_is_refused_whatever_it_is(string json) =>
        Assert.That(() => Read(json), Throws.InstanceOf<JsonException>());

    /// <summary>What must be in a profile, and one thing more.</summary>
    private static string Least(string property) =>
        "{\"version\":2,\"application\":\"\",\"machine\":\"\",\"began\":\"2026-01-02T03:04:05+00:00\","
        + $"\"nanoseconds\":0,\"totals\":{{}},{property}}}";

    private static ProfileDocument Read(string json) =>
        ProfileDocument.Read(new MemoryStream(Encoding.UTF8.GetBytes(json)));

    private static string Written(ProfileDocument document)
    {
        using MemoryStream stream = new();
        document.Write(stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Three frames with an arena, a frame arena, a span and what else a run leaves.</summary>
    private static unsafe ProfileDocument Run()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = 1 << 28 });
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using FrameArena scratch = memory.CreateFrameArena("scratch");
        using (memory.CreateLongLivedArena("title"))
        {
        }

        using Profiler profiler = new(memory);
        profiler.NoteSpan("loads", "load", 0, 1);
        for (int frame = 0; frame < 3; frame++)
        {
            profiler.BeginFrame();
            world.Allocate(64);
            profiler.EndFrame();
        }

        return profiler.ToDocument("test");
    }

    /// <summary>The schema of the types, with what they leave to converters.</summary>
    private static string Schema()
    {
        JsonSchemaExporterOptions options = new()
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = static (context, node) =>
                context.TypeInfo.Type == typeof(RowName) ? new JsonObject { ["type"] = "string" } : node,
        };
        JsonObject types = ProfileJson.Default.ProfileDocument.GetJsonSchemaAsNode(options).AsObject();
        JsonObject schema = new()
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["$id"] = "profile.schema.json",
            ["title"] = "Profile of SuperSlab, version 2",
            ["description"] = "Times are nanoseconds since the profile began, sizes are bytes. Properties that the "
                + "schema does not name are left alone.",
        };
        foreach ((string name, JsonNode? value) in types.ToArray())
        {
            types.Remove(name);
            schema[name] = value;
        }

        schema["properties"]!["version"] = new JsonObject { ["type"] = "integer", ["minimum"] = 2, ["maximum"] = 2 };
        schema["required"]!.AsArray().Insert(0, "version");
        return schema.ToJsonString(new JsonSerializerOptions
        {
            WriteIndented = true,
            NewLine = "\n",
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        }) + "\n";
    }

    private static string SourceOfSchema([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "Engine", "Diagnostics", "profile.schema.json");
}
