using System.Globalization;
using System.Text;
using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>
/// Messages and settings are the same under every culture. The test process has no cultures' data, so these are made by
/// hand, with the separators and signs of the culture that they are named after.
/// </summary>
internal sealed unsafe class CultureTests
{
    private CultureInfo _before = null!;

    [SetUp]
    public void Remember() => _before = CultureInfo.CurrentCulture;

    [TearDown]
    public void Restore() => CultureInfo.CurrentCulture = _before;

    [Test]
    public void Numbers_in_messages_are_written_the_same([Values("de-DE", "tr-TR", "ar-SA", "fa-IR", "sv-SE")] string culture)
    {
        Enter(culture);
        Assert.That($"{1.5} {-1}", Is.Not.EqualTo("1.5 -1"), "the culture is in force");
        Assert.That(Sizes.Text(1536), Is.EqualTo("1.5 KiB"));
        Assert.That(Sizes.Text(Size.MiB(3) / 2), Is.EqualTo("1.5 MiB"));
        Assert.That(Sizes.Text(5 * Size.MiB(512)), Is.EqualTo("2.5 GiB"));
        Assert.That(() =>
            Sizes.Of<int>(-7),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartWith("-7 elements of 4 bytes"));
        Assert.That(() =>
            ScenePlan.Merge([null!], 0.5),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartWith("The headroom is 0.5;"));
        PrefaultReport report = new(3 << 19, 1_500_000, 2, PageKind.Normal, PrefaultPolicy.Touch);
        Assert.That(
            report.ToString(), Is.EqualTo("1.5 MiB in 1.5 ms (1,000 MiB/s) by 2 threads, normal pages by touch"));
    }

    [Test]
    public void Damage_is_told_the_same([Values("de-DE", "tr-TR", "ar-SA", "fa-IR", "sv-SE")] string culture)
    {
        Enter(culture);
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), Checks = MemoryChecks.Full });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        byte* block = (byte*)arena.Allocate(100_000);
        EngineMemoryException? thrown = Assert.Throws<EngineMemoryException>(() => arena.Free(block - 8));
        Assert.That(thrown!.Message, Does.Contain("lies -8 bytes from the beginning of the block of 97.7 KiB"));
        arena.Free(block);
        Assert.That(memory.Settings, Does.Match(@"pages of \d+ KiB"));
    }

    [Test]
    public void Settings_are_read_the_same([Values("de-DE", "tr-TR", "ar-SA", "fa-IR", "sv-SE")] string culture)
    {
        Enter(culture);
        EnvironmentSettings settings = new(name => name == "SIZE" ? "12 MiB" : "TRANSPARENT-HUGE");
        Assert.That(settings.Bytes("SIZE"), Is.EqualTo(Size.MiB(12)));
        Assert.That(
            settings.Choice("PAGES", SettingWords.Pages, PageKind.Automatic),
            Is.EqualTo(PageKind.TransparentHuge));
        EnvironmentSettings grouped = new(_ => "1.000");
        Assert.That(() =>
            grouped.Bytes("SIZE"), Throws.TypeOf<EngineMemoryException>().With.Message.Contain("is not a size"));
    }

    [Test]
    public void Everything_that_is_told_is_the_same([Values("de-DE", "tr-TR", "ar-SA", "fa-IR", "sv-SE")] string culture)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256) });
        using LongLivedArena arena = memory.CreateLongLivedArena("INVENTORY");
        using FrameArena frame = memory.CreateFrameArena("frame");
        using Profiler profiler = new(memory);
        profiler.BeginFrame();
        profiler.EndFrame();
        ProfileDocument document = profiler.ToDocument("culture");
        List<string> before = Told(memory, arena, frame, document);
        Enter(culture);
        Assert.That($"{1.5} {-1}", Is.Not.EqualTo("1.5 -1"), "the culture is in force");
        foreach ((string now, string then) in Told(memory, arena, frame, document).Zip(before))
            Assert.That(now, Is.EqualTo(then));
    }

    /// <summary>Settings, documents, tables, and what is thrown for numbers that are negative or broken.</summary>
    private static List<string> Told(
        EngineMemory memory, LongLivedArena arena, FrameArena frame, ProfileDocument document)
    {
        List<string> told = [memory.Settings, memory.PrefaultDescription, document.Machine];
        using MemoryStream stream = new();
        document.Write(stream);
        told.Add(Encoding.UTF8.GetString(stream.ToArray()));
        foreach (ProfileTable table in ProfileTable.All)
        {
            for (int row = 0; row < table.RowCount(document); row++)
                told.AddRange(table.Columns.Select(column => column.Text(document, row)));
        }

        Action[] wrong =
        [
            () => arena.Allocate(nuint.MaxValue),
            () => arena.Allocate(8, 3),
            () => arena.GetHandle().AllocateSpan<int>(-5),
            () => arena.Budget = new ArenaBudget { SoftBytes = Size.MiB(3) / 2, HardBytes = Size.MiB(1) },
            () => arena.Prewarm([new BlockCount(0, -7)], threads: 1),
            () => arena.Prewarm([new BlockCount(64, 100_000_000)], threads: 1),
            () => frame.Lane(-1),
            () => frame.Lane(0).Allocate(nuint.MaxValue),
            () => _ = new EngineMemory(new EngineMemoryOptions { ReservationBytes = 12345 }),
            () => _ = new HotLoopGuard(memory, null, new HotLoopGuardOptions { CallStackCount = -3 }),
            () => _ = new Profiler(memory, new ProfilerOptions { SampleCapacity = -4 }),
            () => _ = new FaultAttribution(memory, new FaultAttributionOptions { RingBytes = 65537 }),
            () => _ = new FaultAttribution(memory, new FaultAttributionOptions { Callers = -3 }),
            () => ScenePlan.Merge([new ScenePlan { Name = "i" }], -1.5),
            () => memory.CreateFrameArena("f", new FrameArenaOptions { LaneCount = -2 }),
            () => new ScenePlan { Name = "i", FrameArena = new FrameArenaOptions { LaneCount = -1 } }.Validate(),
            () => AllocationTag.Register(""),
        ];
        foreach (Action action in wrong)
        {
            // .NET adds a line, "Actual value was ...", in the user's culture; so are its own checks of arguments.
            Exception exception = Assert.Catch(() => action())!;
            told.Add($"{exception.GetType().Name}: {exception.Message.Split('\n')[0]}");
        }

        return told;
    }

    private static void Enter(string name)
    {
        CultureInfo culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NumberGroupSeparator,
            culture.NumberFormat.NegativeSign) = name switch
            {
                "de-DE" or "tr-TR" => (",", ".", "-"),
                "ar-SA" => ("\u066b", "\u066c", "\u061c-"),
                "fa-IR" => ("\u066b", "\u066c", "\u200e\u2212"),
                _ => (",", "\u00a0", "\u2212"),
            };
        CultureInfo.CurrentCulture = culture;
    }
}
