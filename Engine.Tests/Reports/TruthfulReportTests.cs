using Engine.Tests.Reports.Support;
using Engine.Tests.Support;

namespace Engine.Tests.Reports;

/// <summary>
/// What the report says where a profile knows less than everything: totals of all frames, or of which; what was cut;
/// good only where every frame looked. The profiles are those of a real profiler by a clock that the test moves.
/// </summary>
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed unsafe class TruthfulReportTests
{
    private const int Kept = 64;

    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.Combine(Path.GetTempPath(), $"engine-truth-{Guid.NewGuid():n}.html");

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    public void Totals_are_of_all_frames_also_of_those_that_are_no_longer_kept()
    {
        using Browser browser = Open(Profile(300, frame => new HotLoopCounts
        {
            Collections = frame == 3 ? 1 : 0,
            ManagedBytes = frame == 4 ? 5000 : 0,
        }));
        Assert.Multiple(() =>
        {
            Assert.That(Fact(browser, "Garbage collections"), Is.EqualTo("1 in all frames (bad)"));
            Assert.That(Fact(browser, "Managed bytes"), Is.EqualTo("4.88 KiB in all frames (bad)"));
            Assert.That(Fact(browser, "Page faults"), Is.EqualTo("0 in all frames (good)"));
            Assert.That(Fact(browser, "Hitches"), Is.EqualTo("0 in the last 64 frames"), "where they are searched");
            Assert.That(Fact(browser, "Over budget"), Does.StartWith("1 of all frames").And.EndsWith("(bad)"));
        });
    }

    [Test]
    public void What_nobody_counted_is_not_good()
    {
        using Browser browser = Open(Profile(100, counts: null));
        Assert.That(Fact(browser, "Page faults"), Is.EqualTo("not counted"));
    }

    [Test]
    public void What_some_frames_counted_says_how_many()
    {
        using Browser browser = Open(Profile(100, frame => frame < 40 ? new HotLoopCounts() : null));
        Assert.That(Fact(browser, "Page faults"), Is.EqualTo("0 in 40 of 100 frames, which counted"));
    }

    [Test]
    public void Totals_of_older_profiles_are_of_the_last_frames()
    {
        ProfileDocument document = Profile(100, _ => new HotLoopCounts());
        using Browser browser = Open(document with
        {
            Frames = document.Frames with { Totals = new Dictionary<string, ProfileFrames.Total>() },
        });
        Assert.That(Fact(browser, "Garbage collections"), Is.EqualTo("0 in the last 64 frames"));
    }

    [Test]
    public void The_headline_knows_of_faults_that_only_their_owners_tell()
    {
        ProfileDocument document = Profile(10, _ => new HotLoopCounts());
        using Browser browser = Open(document with
        {
            Faults = new ProfileFaults
            {
                Unavailable = "",
                KernelCount = 1,
                Owners = [new("library", "libc.so.6", 1, "")],
                Frames = [new(0, "library", "libc.so.6", 1)],
            },
        });
        Assert.That(
            Fact(browser, "Page faults"),
            Is.EqualTo("0 in all frames; 1 of all observed threads, with owners below (bad)"));
    }

    [Test]
    public void A_hitch_is_over_the_budget_or_far_above_its_neighbours_and_a_changed_SuperSlab_is_a_note()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = 1 << 28 });
        using LongLivedArena arena = memory.CreateLongLivedArena("world");
        ManualTime clock = new();
        using Profiler profiler =
            new(memory, new ProfilerOptions { TimeProvider = clock, FrameBudget = TimeSpan.FromSeconds(1.0 / 60) });
        for (int frame = 0; frame < 200; frame++)
        {
            profiler.BeginFrame();
            clock.Advance(TimeSpan.FromMilliseconds(frame switch { 50 => 1, 100 => 17, 150 => 16, _ => 2 }));
            if (frame == 50)
                arena.Allocate(8 << 20);

            profiler.EndFrame();
        }

        ProfileDocument document = profiler.ToDocument("test");
        using Browser browser = Open(document);
        string frames = browser.Find("#frames").Text;
        Assert.Multiple(() =>
        {
            Assert.That(document.Hitches.Select(hitch => hitch.Frame), Is.EqualTo((long[])[100, 150]));
            Assert.That(document.Hitches[0].Reason, Does.StartWith("over the frame budget"));
            Assert.That(document.Hitches[1].Reason, Does.Not.Contain("budget"));
            Assert.That(document.Notes.Select(note => note.Frame), Has.Some.EqualTo(50));
            Assert.That(browser.FindAll("#frames .mark"), Has.Count.EqualTo(2));
            Assert.That(browser.FindAll("#frames .guide-text").Select(text =>
                text.Text), Has.Some.EqualTo("budget (60 Hz) 16.7 ms"));
            Assert.That(Fact(browser, "Over budget"), Is.EqualTo("1 of all frames; 16.7 ms, 60 Hz (bad)"));
            Assert.That(frames, Does.Contain("a frame over the budget of 16.7 ms (60 Hz)"));
            Assert.That(frames, Does.Contain("Other frames in which something happened").And.Contain("SuperSlabs: +"));
        });
    }

    [Test]
    public void What_is_cut_is_said()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = 1 << 28 });
        ManualTime clock = new();
        using Profiler profiler =
            new(memory, new ProfilerOptions { TimeProvider = clock, FrameBudget = TimeSpan.FromMilliseconds(10) });
        for (int frame = 0; frame < 2400; frame++)
        {
            profiler.BeginFrame();
            clock.Advance(TimeSpan.FromMilliseconds(frame % 4 == 0 ? 11 : 2));
            profiler.EndFrame(new HotLoopCounts { PageFaults = frame % 4 == 1 ? 1 : 0 });
        }

        using Browser browser = Open(profiler.ToDocument("test") with { LostEventCount = 1234 });
        string frames = browser.Find("#frames").Text;
        Assert.Multiple(() =>
        {
            Assert.That(frames, Does.Contain("500 of 600 shown: the longest"));
            Assert.That(frames, Does.Contain("500 of 600 shown: broken rules first"));
            Assert.That(
                browser.Find("#events").Text,
                Does.Contain("1,234 earlier moments at which SuperSlabs came or went"));
            Assert.That(Fact(browser, "Hitches"), Is.EqualTo("600 in all frames (bad)"));
        });
    }

    [Test]
    public void The_peaks_of_disposed_arenas_stay()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = 1 << 28 });
        using Profiler profiler = new(memory);
        using LongLivedArena alive = memory.CreateLongLivedArena("alive");
        for (int level = 0; level < 3; level++)
        {
            using LongLivedArena arena = memory.CreateLongLivedArena("level");
            arena.Allocate((nuint)(level == 1 ? 10 << 20 : 4 << 20));
            using FrameArena frame = memory.CreateFrameArena("level: frame");
        }

        ProfileDocument document = profiler.ToDocument("test");
        using Browser browser = Open(document);
        Assert.That(
            document.DisposedArenas.Select(one => (one.Name, one.IsFrame, one.Count)),
            Is.EqualTo(new[] { ("level", false, 3L), ("level: frame", true, 3L) }));
        Assert.That(document.DisposedArenas[0].PeakBytes, Is.InRange(10 << 20, 14 << 20));
        Assert.That(document.DisposedArenas[1].PeakBytes, Is.GreaterThanOrEqualTo(2 << 20));
        Assert.That(
            browser.Find("#arenas").Text,
            Does.Contain("Disposed before the profile was taken").And.Contains("level: frame"));
        Assert.That(
            browser.Find("#memory").Text, Does.Contain("No memory over time"), "and where there is none, none is cut");
    }

    [Test]
    public void A_plan_that_fits_is_called_one_that_fits()
    {
        ProfileDocument document = SampleProfile.Create(frames: 100);
        using Browser browser = Open(document with
        {
            Plans = [new("cave", 100 << 20, 48 << 20, "{}") { TakenBytes = 100 << 20 }],
        });
        Assert.That(
            browser.Find("#plans").Text,
            Does.Contain("100 MiB planned; 100 MiB taken in whole SuperSlabs, for 48 MiB of blocks and frames at their "
                + "peaks; the plan fits").And.Not.Contain("never taken;"));
    }

    [Test]
    public void A_tag_that_frees_the_blocks_of_others_has_no_live_bytes_below_zero()
    {
        // As in SampleProfile: "scripts" allocated nothing, and freed 4,096 bytes.
        using Browser browser = Open(SampleProfile.Create(frames: 100) with { CallSites = new ProfileCallSites() });
        string tags = browser.Find("#tags").Text;
        Assert.That(browser.FindAll("#tags thead th").Select(heading => heading.Text).Where(text =>
            text.Length != 0), Is.EqualTo((string[])["Tag", "Allocated", "Freed", "Allocations", "Frees"]));
        Assert.That(tags, Does.Match(@"scripts\s+0 B 4 KiB 70,000 70,010").And.Not.Contain("−").And.Not.Contain("-"));
        Assert.That(
            browser.Find("#memory").Text, Does.Contain("allocated under each tag").And.Contains("Allocated by tag"));
    }

    [Test]
    public void What_a_frames_time_holds_stands_under_the_chart()
    {
        using Browser browser = Open(SampleProfile.Create(frames: 100));
        Assert.That(
            browser.Find("#frame-meaning").Text,
            Does.Contain("from BeginFrame to EndFrame").And.EndsWith("The game's own table has other times."));
    }

    /// <summary>Frames of 2 ms, the second of 20 ms; the last 64 are kept.</summary>
    /// <param name="counts">What a frame counted; null where nobody counts.</param>
    private static ProfileDocument Profile(int frames, Func<int, HotLoopCounts?>? counts)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = 1 << 28 });
        ManualTime clock = new();
        using Profiler profiler = new(memory, new ProfilerOptions
        {
            TimeProvider = clock,
            FrameCapacity = Kept,
            FrameBudget = TimeSpan.FromMilliseconds(10),
        });
        for (int frame = 0; frame < frames; frame++)
        {
            profiler.BeginFrame();
            clock.Advance(TimeSpan.FromMilliseconds(frame == 1 ? 20 : 2));
            if (counts?.Invoke(frame) is { } counted)
                profiler.EndFrame(counted);
            else
                profiler.EndFrame();
        }

        return profiler.ToDocument("test");
    }

    /// <summary>A fact of the overview as "value note (judgement)".</summary>
    private static string Fact(Browser browser, string title) => browser.Evaluate<string>(
        $$"""
        const term = [...document.querySelectorAll('#overview dt')].find((one) => one.textContent === '{{title}}');
        const value = term.nextElementSibling;
        const note = value.querySelector('.note')?.textContent ?? '';
        const judgement = value.className ? ` (${value.className})` : '';
        return [value.firstChild.textContent, note].filter(Boolean).join(' ') + judgement;
        """);

    private Browser Open(ProfileDocument document)
    {
        HtmlReport.Write(document, _path);
        return Browser.Open(_path);
    }
}
