using System.Globalization;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;

namespace Engine.Tests.Reports;

/// <summary>
/// Two profiles side by side: each value is recomputed from the profiles here, and what is worse comes in the order of
/// what it is of the whole.
/// </summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class ProfileComparisonTests
{
    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.Combine(Path.GetTempPath(), $"engine-comparison-{Guid.NewGuid():n}.html");

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    public void A_profile_beside_itself_is_the_same_in_every_row()
    {
        ProfileDocument document = SampleProfile.Create(frames: 500) with { HasCounters = true };
        ProfileComparison comparison = new(document, document);
        Assert.That(comparison.Rows, Has.Count.GreaterThan(30));
        Assert.That(comparison.Rows.Select(row => row.Verdict), Is.All.EqualTo(ProfileComparison.Verdict.Same));
    }

    [Test]
    public void What_is_no_longer_0_comes_first_and_then_the_largest_share_of_the_whole()
    {
        ProfileDocument before = Profile(p99: 1_000_000, world: 60 << 20, sounds: 40 << 20, collections: 0);
        ProfileDocument after = Profile(p99: 1_300_000, world: 70 << 20, sounds: 38 << 20, collections: 2);
        ProfileComparison comparison = new(before, after);
        string[] changed = [.. comparison.Rows.Where(row =>
            row.Verdict is ProfileComparison.Verdict.Worse or ProfileComparison.Verdict.Better).Select(Said)];
        Assert.That(changed, Is.EqualTo((string[])
        [
            "Worse hot loop  garbage collections, in 1,000 frames 0 -> 20, Infinity",
            "Worse frames  p99 1000000 -> 1300000, 0.3",
            "Worse arenas world live 62914560 -> 73400320, 0.1",
            "Better arenas sounds live 41943040 -> 39845888, -0.02",
        ]));
    }

    [Test]
    public void Rates_are_those_of_the_raw_columns_and_of_all_frames()
    {
        ProfileDocument before = SampleProfile.Create(frames: 1000) with { HasCounters = true };
        ProfileDocument after = SampleProfile.Create(frames: 3000) with { HasCounters = true };
        ProfileComparison comparison = new(before, after);
        Assert.Multiple(() =>
        {
            foreach ((string measure, string column, double factor) in new[]
            {
                ("page faults, in 1,000 frames", "page_faults", 1000d), ("allocations, in a frame", "allocations", 1),
                ("allocated bytes, in a frame", "allocated_bytes", 1),
            })
            {
                ProfileComparison.Row row = comparison.Rows.Single(one => one.Measure == measure);
                Assert.That(row.Before, Is.EqualTo(before.Frames[column].Average() * factor).Within(1e-9), measure);
                Assert.That(row.After, Is.EqualTo(after.Frames[column].Average() * factor).Within(1e-9), measure);
            }

            ProfileComparison.Row tag = comparison.Rows.Single(one =>
                one is { Name: "physics", Measure: "allocated, for each frame" });
            Assert.That((tag.Before, tag.After), Is.EqualTo(((31 << 20) / 1000d, (31 << 20) / 3000d)));
            ProfileComparison.Row blocks = comparison.Rows.Single(one => one is { Name: "64 B", Measure: "live" });
            Assert.That(
                blocks.Before,
                Is.EqualTo(before.Classes.Where(row => row.BlockBytes == 64).Sum(row => row.LiveCount * 64)));
            ProfileComparison.Row rest =
                comparison.Rows.Single(one => one is { Name: "64 B", Measure: "free, cached and waste" });
            Assert.That(rest.Before, Is.EqualTo(before.Classes.Where(row => row.BlockBytes == 64).Sum(row =>
                ((row.FreeCount + row.CachedCount) * 64) + row.WasteBytes)));
            ProfileComparison.Row heap = comparison.Rows.Single(one => one.Name == "GC heap: generation 0");
            Assert.That((heap.Group, heap.Before), Is.EqualTo(("faults", 300d)));
        });
    }

    [Test]
    public void Call_sites_are_worse_only_beyond_three_deviations_of_both_estimates()
    {
        ProfileCallSites before = Sites(("Game.Spawn", 100 << 20, 3 << 20), ("Game.Load", 50 << 20, 2 << 20));
        ProfileCallSites after = Sites(("Game.Spawn", 112 << 20, 3 << 20), ("Game.Load", 60 << 20, 2 << 20),
            ("Game.New", 8 << 20, 1 << 20));
        ProfileComparison comparison = new(
            SampleProfile.Empty with { CallSites = before }, SampleProfile.Empty with { CallSites = after });
        string[] live = [.. comparison.Rows.Where(row => row is { Group: "call sites", Measure: "live, estimated" })
            .Select(row => string.Create(
                CultureInfo.InvariantCulture, $"{row.Verdict} {row.Name} {row.Before} -> {row.After}"))];

        // 12 MiB are less than 3 * sqrt(3² + 3²) = 12.7 MiB; 10 MiB more than 3 * sqrt(2² + 2²) = 8.5 MiB.
        Assert.That(live, Is.EqualTo((string[])
        [
            $"Worse Game.Load {50 << 20} -> {60 << 20}",
            $"Worse Game.New 0 -> {8 << 20}",
            $"Same Game.Spawn {100 << 20} -> {112 << 20}",
        ]));

        ProfileComparison unsampled = new(
            SampleProfile.Empty, SampleProfile.Empty with { CallSites = after });
        Assert.That(
            unsampled.Rows.Where(row => row.Group == "call sites").Select(row => row.Verdict),
            Is.Not.Empty.And.All.EqualTo(ProfileComparison.Verdict.Unknown));

        static ProfileCallSites Sites(params (string Name, long Bytes, long Deviation)[] sites) => new()
        {
            Unavailable = "",
            Places = [.. sites.Select(site => site.Name)],
            Stacks = [.. sites.Select((site, number) => new ProfileCallSites.StackRow(
                [number], "(no tag)", site.Bytes, site.Deviation, 1, site.Bytes, site.Deviation, 1))],
        };
    }

    [Test]
    public void What_one_profile_did_not_count_is_unknown_and_neither_worse_nor_better()
    {
        ProfileDocument counted = SampleProfile.Create(frames: 100) with { HasCounters = true };
        ProfileDocument silent = SampleProfile.Empty;
        ProfileComparison comparison = new(silent, counted);
        ProfileComparison.Row[] unknown =
            [.. comparison.Rows.Where(row => row.Verdict == ProfileComparison.Verdict.Unknown)];
        Assert.That(
            unknown.Select(row => row.Measure),
            Is.SupersetOf((string[])
                ["p50", "longest", "page faults, in 1,000 frames", "allocated", "resident", "in all"]));
        Assert.That(unknown.Select(row => (row.Before, row.Change, row.Growth)), Is.All.EqualTo(
            ((double?)null, (double?)null, (double?)null)));
    }

    [Test]
    public void A_disposed_arenas_peak_counts_and_an_arena_that_is_gone_holds_nothing()
    {
        ProfileDocument before = SampleProfile.Create(frames: 100);
        ProfileDocument after = before with
        {
            Arenas = [before.Arenas[0]],
            DisposedArenas = [new("sounds", false, 1, 90 << 20)],
        };
        ProfileComparison comparison = new(before, after);
        ProfileComparison.Row Arena(string name, string measure) =>
            comparison.Rows.Single(row => row.Group == "arenas" && row.Name == name && row.Measure == measure);
        Assert.That(
            (Arena("sounds", "live").After, Arena("sounds", "peak held").After, Arena("title", "peak held").After),
            Is.EqualTo(((double?)0, (double?)(90 << 20), (double?)0)));
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_page_shows_every_row_as_it_is_and_no_name_as_more_than_a_name()
    {
        const string Name = SampleProfile.HostileName;
        ProfileDocument before = SampleProfile.Create(frames: 800, Name) with { HasCounters = true };
        ProfileDocument after = SampleProfile.Create(frames: 1600, Name) with { HasCounters = true };
        ProfileComparison comparison = new(before, after);
        HtmlReport.Write(comparison, _path);
        using Browser browser = Browser.Open(_path);
        Assert.That(browser.Console(), Is.Empty);
        Assert.That(browser.FindAll("img"), Is.Empty);
        browser.Evaluate<object>(
            "document.querySelectorAll('.more').forEach((button) => button.click())");
        foreach ((string part, ProfileComparison.Verdict[] verdicts) in new[]
        {
            ("worse", (ProfileComparison.Verdict[])[ProfileComparison.Verdict.Worse]),
            ("better", [ProfileComparison.Verdict.Better]),
            ("rest", [ProfileComparison.Verdict.Unknown, ProfileComparison.Verdict.Same]),
        })
        {
            ProfileComparison.Row[] rows = [.. comparison.Rows.Where(row => verdicts.Contains(row.Verdict))];
            Assert.That(Cells(browser, part, 0), Is.EqualTo(rows.Select(row => row.Group)), part);
            Assert.That(Cells(browser, part, 1), Is.EqualTo(rows.Select(row => row.Name)), part);
            Assert.That(Cells(browser, part, 2), Is.EqualTo(rows.Select(row => row.Measure)), part);
        }

        string raw = browser.Evaluate<string>(
            """
            const { rows } = JSON.parse(document.querySelector('#comparison').textContent);
            return rows.map(({ after }) => after ?? '').join(' ');
            """);
        Assert.That(raw, Is.EqualTo(string.Join(' ', comparison.Rows.Select(row => Digits(row.After)))));
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_page_reads_numbers_as_people_do()
    {
        HtmlReport.Write(
            new ProfileComparison(
                Profile(p99: 1_000_000, world: 60 << 20, sounds: 40 << 20, collections: 0),
                Profile(p99: 1_300_000, world: 70 << 20, sounds: 38 << 20, collections: 2)),
            _path);
        using Browser browser = Browser.Open(_path);
        Assert.That(
            browser.FindAll("#worse tbody tr").Select(row => row.Text), Is.EqualTo((string[])
            [
                "hot loop garbage collections, in 1,000 frames 0 20 +20 from 0",
                "frames p99 1 ms 1.3 ms +300 µs +30 %",
                "arenas world live 60 MiB 70 MiB +10 MiB +10 %",
            ]));
        Assert.That(
            browser.FindAll("#better tbody tr").Select(row => row.Text),
            Is.EqualTo((string[])["arenas sounds live 40 MiB 38 MiB −2 MiB −2 %"]));
        Assert.That(browser.FindAll("#times .series"), Has.Count.EqualTo(2));
    }

    private static string[] Cells(Browser browser, string part, int column) =>
        System.Text.Json.JsonSerializer.Deserialize<string[]>(browser.Evaluate<string>(
            $$"""
            const rows = [...document.querySelectorAll('#{{part}} tbody tr')];
            return JSON.stringify(rows.map((row) => row.children[{{column}}].textContent));
            """))!;

    private static string Said(ProfileComparison.Row row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Verdict} {row.Group} {row.Name} {row.Measure} {row.Before} -> {row.After}, "
        + $"{Math.Round(row.Growth!.Value, 9)}");

    /// <summary>As a script writes a number.</summary>
    private static string Digits(double? number) =>
        number?.ToString("R", CultureInfo.InvariantCulture).Replace("E-", "e-", StringComparison.Ordinal) ?? "";

    /// <summary>A hundred frames of 1 ms.</summary>
    private static ProfileDocument Profile(long p99, long world, long sounds, long collections) =>
        SampleProfile.Empty with
        {
            Arenas =
        [
            new(1, new("world"), false, 50) { LiveBytes = world, PeakBytes = 100 << 20 },
            new(2, new("sounds"), false, 50) { LiveBytes = sounds, PeakBytes = 100 << 20 },
        ],
            Frames = new ProfileFrames
            {
                Count = 100,
                Columns = new Dictionary<string, long[]>
                {
                    ["start"] = [.. Enumerable.Range(0, 100).Select(frame => frame * 1_000_000L)],
                    ["nanoseconds"] = [.. Enumerable.Repeat(1_000_000L, 100)],
                },
                Totals = new Dictionary<string, ProfileFrames.Total> { ["collections"] = new(collections, 100) },
                Percentiles = new(1_000_000, 1_000_000, p99, 2_000_000, 2_000_000),
                Histogram = [new(1_000_000, 99), new(p99, 1)],
            },
        };
}
