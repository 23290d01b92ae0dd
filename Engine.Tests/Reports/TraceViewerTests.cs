using System.Diagnostics;
using System.Text.Json;
using Engine.Tests.Reports.Support;

namespace Engine.Tests.Reports;

/// <summary>The trace as chrome://tracing takes it in: by its own importer, which runs in node.</summary>
internal sealed class TraceViewerTests
{
    private static readonly string[] s_importers =
        [Environment.GetEnvironmentVariable("BIGRIG") ?? "", "/usr/lib/node_modules/bigrig",
            "/usr/local/lib/node_modules/bigrig"];

    private static readonly string[] s_threads = ["frames", "loads", "SuperSlabs"];
    private static readonly string[] s_counters =
        ["allocations", "allocated bytes", "page faults", "lane overflows", "managed bytes", "garbage collections",
            "memory by arena", "allocated by tag"];

    [Test]
    public void It_is_imported_without_a_warning_with_all_its_tracks_and_counters()
    {
        ProfileDocument profile = SampleProfile.Create(frames: 2000);
        using JsonDocument imported = Import(profile);
        JsonElement process = imported.RootElement.GetProperty("processes").EnumerateArray().Single();
        Dictionary<string, JsonElement> threads = process.GetProperty("threads").EnumerateArray().ToDictionary(Name);
        Dictionary<string, JsonElement> counters = process.GetProperty("counters").EnumerateArray().ToDictionary(Name);
        Assert.Multiple(() =>
        {
            Assert.That(imported.RootElement.GetProperty("warnings").EnumerateArray().Select(warning =>
                warning.GetString()), Is.Empty);
            Assert.That(Name(process), Is.EqualTo(profile.Application));
            Assert.That(threads.Keys, Is.EquivalentTo(s_threads));
            Assert.That(
                threads["frames"].GetProperty("slices").EnumerateArray().Select(Microseconds),
                Is.EqualTo(profile.Frames.Nanoseconds.Select(time => (long)Math.Round(time / 1000.0))));
            Assert.That(
                threads["loads"].GetProperty("spans").EnumerateArray().Select(span =>
                    (span.GetProperty("title").GetString(), Microseconds(span))),
                Is.EquivalentTo(new[] { ("load world", 90_000L), ("load caves", 120_000L) }),
                    "they overlap, and both are there");
            Assert.That(threads["SuperSlabs"].GetProperty("slices").GetArrayLength(), Is.EqualTo(1));
            Assert.That(counters.Keys, Is.EquivalentTo(s_counters));
            MustCarry(counters["memory by arena"], profile.Memory.Arenas);
            MustCarry(counters["allocated by tag"], profile.Memory.AllocatedByTag);
        });
    }

    [Test]
    public void Arenas_of_one_name_and_names_of_any_characters_are_taken_in()
    {
        ProfileSeries.Curve[] curves =
            [new("twin", [1, 2]), new("twin", [3, 4]), new(SampleProfile.HostileName, [5, 6])];
        using JsonDocument imported =
            Import(SampleProfile.Empty with { Memory = new ProfileSeries { Times = [0, 10], Arenas = curves } });
        Assert.That(imported.RootElement.GetProperty("warnings").GetArrayLength(), Is.Zero);
        JsonElement counter =
            imported.RootElement.GetProperty("processes")[0].GetProperty("counters").EnumerateArray().Single();
        MustCarry(counter, [curves[0], curves[1] with { Name = "twin (2)" }, curves[2]]);
    }

    private static void MustCarry(JsonElement counter, IReadOnlyList<ProfileSeries.Curve> curves)
    {
        Dictionary<string, JsonElement> series = counter.GetProperty("series").EnumerateArray().ToDictionary(Name);
        Assert.That(series.Keys, Is.EquivalentTo(curves.Select(curve => curve.Name)));
        foreach (ProfileSeries.Curve curve in curves)
        {
            Assert.That(series[curve.Name].GetProperty("values").EnumerateArray().Select(value =>
                value.GetInt64()), Is.EqualTo(curve.Values), curve.Name);
        }
    }

    private static JsonDocument Import(ProfileDocument profile)
    {
        string? importer = s_importers.FirstOrDefault(Directory.Exists);
        if (importer is null)
        {
            Assert.Ignore(
                "There is no importer of chrome://tracing here: .ci/trace-viewer installs npm's package bigrig, or "
                + "BIGRIG names its folder.");
        }

        string path = Path.Combine(Path.GetTempPath(), $"engine-trace-{Guid.NewGuid():n}.json");
        TraceFile.Write(profile, path);
        try
        {
            string script = Path.Combine(AppContext.BaseDirectory, "Support", "import-trace.js");
            using Process node =
                Process.Start(
                new ProcessStartInfo(
                "node", [script, importer!, path])
                { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> error = node.StandardError.ReadToEndAsync();
            string output = node.StandardOutput.ReadToEnd();
            node.WaitForExit();
            Assert.That(node.ExitCode, Is.Zero, error.Result);
            return JsonDocument.Parse(output);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string Name(JsonElement item) => item.GetProperty("name").GetString()!;

    /// <summary>The importer counts in milliseconds.</summary>
    private static long Microseconds(JsonElement slice) =>
        (long)Math.Round(slice.GetProperty("duration").GetDouble() * 1000);
}
