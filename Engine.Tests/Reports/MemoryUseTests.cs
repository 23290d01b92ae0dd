using System.Globalization;
using System.Text.Json.Nodes;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;

namespace Engine.Tests.Reports;

/// <summary>
/// What memory is used for over time, from the arenas to the page: the curves are what snapshots of the same moments
/// say, and the page's sums are those of the raw records.
/// </summary>
[Parallelizable(ParallelScope.Self)]
internal sealed unsafe class MemoryUseTests
{
    private readonly List<MemoryUse> _snapshots = [];
    private ProfileDocument _profile = null!;
    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("engine-use-").FullName;
        _snapshots.Clear();
    }

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void The_curves_are_what_snapshots_of_the_same_moments_say()
    {
        Run();
        MemoryUse[] curves = Curves(_profile);
        Assert.That(curves, Has.Length.EqualTo(_snapshots.Count).And.Length.GreaterThan(20));
        for (int sample = 0; sample < curves.Length; sample++)
            Assert.That(curves[sample], Is.EqualTo(_snapshots[sample]), $"sample {sample}");

        Assert.That(curves.Select(use => use.CachedBytes), Has.Some.Positive);
        Assert.That(curves.Select(use => use.FreeBlockBytes), Has.Some.Positive);
        Assert.That(curves.Select(use => use.FreeSlabBytes), Has.Some.Positive);
        Assert.That(curves.Select(use => use.ReadyBytes), Has.Some.Positive.And.Some.Zero);
        Assert.That(curves.Select(use => use.TableBytes), Is.All.Positive);
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_sums_on_the_page_are_those_of_the_raw_records()
    {
        Run();
        string path = Path.Combine(_folder, "report.html");
        HtmlReport.Write(_profile, path);
        using Browser browser = Browser.Open(path);
        browser.DownloadTo(_folder);
        browser.Evaluate<object>("document.querySelector('#memory input[value=\"By use\"]').click()");
        Assert.That(browser.FindAll("#memory .series"), Has.Count.EqualTo(7), "the parts and what they add up to");
        browser.Evaluate<object>(
            "document.querySelector('#memory [aria-label=\"Save as CSV: Memory over time, by use\"]').click()");
        string saved = Path.Combine(_folder, "memory-over-time-by-use.csv");
        Assert.That(() => File.Exists(saved), Is.True.After(delayInMilliseconds: 60_000, pollingInterval: 20));
        string[] lines = File.ReadAllLines(saved);
        Assert.That(
            lines[0],
            Is.EqualTo("nanoseconds,held in all,live,cached,free in used slabs,free slabs,ready SuperSlabs,tables"));
        Assert.That(
            lines.Skip(1).Select(line => long.Parse(line.Split(',')[1], CultureInfo.InvariantCulture)),
            Is.EqualTo(_snapshots.Select(use => use.Bytes)));
        Assert.That(browser.Console(), Is.Empty);
    }

    [Test]
    public void Traces_and_tables_have_the_parts()
    {
        Run();
        CsvFile.Write(_profile, _folder);
        string heading = File.ReadLines(Path.Combine(_folder, "memory.csv")).First();
        Assert.That(
            heading,
            Does.StartWith(
                "nanoseconds,use live,use cached,use free in used slabs,use free slabs,use ready SuperSlabs,use tables,"
                    + "arena "));
        using MemoryStream trace = new();
        TraceFile.Write(_profile, trace);
        JsonArray events = JsonNode.Parse(trace.ToArray())!["traceEvents"]!.AsArray();
        JsonNode[] samples = [.. events.Where(one => (string?)one!["name"] == "memory by use").Select(one => one!)];
        Assert.That(
            samples.Select(one => one["args"]!.AsObject().Sum(part => (long)part.Value!)),
            Is.EqualTo(_snapshots.Select(use => use.Bytes)));
    }

    /// <summary>A file of a program that did not sample it.</summary>
    [Test]
    public void A_profile_without_the_parts_opens_and_is_written_without_them()
    {
        Run();
        string path = Path.Combine(_folder, "profile.json");
        _profile.Write(path);
        JsonNode json = JsonNode.Parse(File.ReadAllText(path))!;
        Assert.That(json["memory"]!.AsObject().Remove("use"));
        File.WriteAllText(path, json.ToJsonString());
        ProfileDocument old = ProfileDocument.Read(path);
        Assert.That(old.Memory.Use, Is.Empty);
        Assert.That(old.Memory.Times, Is.EqualTo(_profile.Memory.Times));
        CsvFile.Write(old, _folder);
        Assert.That(
            File.ReadLines(Path.Combine(_folder, "memory.csv")).First(), Does.StartWith("nanoseconds,arena "));
    }

    /// <summary>Arenas that fill, empty, share and end, with a sample and a snapshot in each frame.</summary>
    private void Run()
    {
        Random random = TestRandom.Create();
        ManualTime clock = new();
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            RetainBytes = Size.MiB(16),
        });
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using FrameArena frames = memory.CreateFrameArena("frames");
        using ArenaGroup scripts = memory.CreateArenaGroup("scripts");
        using Profiler profiler = new(memory, new ProfilerOptions
        {
            TimeProvider = clock,
            SampleInterval = TimeSpan.FromMilliseconds(1),
        });
        byte[] room = new byte[1 << 20];
        List<nint> blocks = [];
        LongLivedArena? level = null;
        for (int frame = 0; frame < 60; frame++)
        {
            if (frame % 20 == 18)
                Assert.That((long)memory.Trim(), Is.Positive, "free slabs lose their memory");

            frames.NextFrame();
            profiler.BeginFrame();
            for (int count = random.Next(3_000); count > 0; count--)
                blocks.Add((nint)world.Allocate((nuint)random.Next(1, 5_000)));

            for (int count = random.Next(blocks.Count); count > 0; count--)
            {
                world.Free((void*)blocks[^1]);
                blocks.RemoveAt(blocks.Count - 1);
            }

            frames.Lane(0).Allocate((nuint)random.Next(1, 100_000));
            if (frame % 20 == 5)
            {
                level = memory.CreateLongLivedArena("level");
                level.Allocate(Size.MiB(40));
                level.Allocate(Size.MiB(3));
                scripts.CreateArena("script").Allocate(1_000);
            }
            else if (frame % 20 == 15)
            {
                level!.Dispose();
            }

            clock.Advance(TimeSpan.FromMilliseconds(2));
            profiler.EndFrame();
            Assert.That(MemorySnapshot.TryTake(memory, room, out MemorySnapshot snapshot, out _));
            _snapshots.Add(snapshot.Use);
        }

        _profile = profiler.ToDocument("test");
    }

    private static MemoryUse[] Curves(ProfileDocument profile) =>
    [
        .. Enumerable.Range(0, profile.Memory.Times.Count).Select(sample =>
        {
            long[] parts = [.. profile.Memory.Use.Select(curve => curve.Values[sample])];
            return new MemoryUse(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]);
        }),
    ];
}
