using System.Globalization;
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
    public void Numbers_in_messages_are_written_the_same([Values("de-DE", "tr-TR", "ar-SA", "sv-SE")] string culture)
    {
        Enter(culture);
        Assert.That($"{1.5} {-1}", Is.Not.EqualTo("1.5 -1"), "the culture is in force");
        Assert.That(Sizes.Text(1536), Is.EqualTo("1.5 KiB"));
        Assert.That(Sizes.Text(Size.MiB(3) / 2), Is.EqualTo("1.5 MiB"));
        Assert.That(Sizes.Text(5 * Size.MiB(512)), Is.EqualTo("2.5 GiB"));
        Assert.That(() =>
            Sizes.Of<int>(-7), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartWith("-7 elements of 4"));
        Assert.That(() =>
            ScenePlan.Merge([null!], 0.5),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartWith("The headroom is 0.5;"));
        PrefaultReport report = new(3 << 19, 1_500_000, 2, PageKind.Normal, PrefaultPolicy.Touch);
        Assert.That(report.ToString(), Is.EqualTo("1.5 MiB in 1.5 ms (1.0 GiB/s) by 2 threads, Normal pages by Touch"));
    }

    [Test]
    public void Damage_is_told_the_same([Values("de-DE", "tr-TR", "ar-SA", "sv-SE")] string culture)
    {
        Enter(culture);
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), Checks = MemoryChecks.Full });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        byte* block = (byte*)arena.Allocate(100_000);
        EngineMemoryException? thrown = Assert.Throws<EngineMemoryException>(() => arena.Free(block - 8));
        Assert.That(thrown!.Message, Does.Contain("lies -8 bytes from the beginning of the block of 97.7 KiB"));
        arena.Free(block);
        Assert.That(memory.Settings, Does.Match(@"pages of \d+\.0 KiB"));
    }

    [Test]
    public void Settings_are_read_the_same([Values("de-DE", "tr-TR", "ar-SA", "sv-SE")] string culture)
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

    private static void Enter(string name)
    {
        CultureInfo culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NumberGroupSeparator,
            culture.NumberFormat.NegativeSign) = name switch
            {
                "de-DE" or "tr-TR" => (",", ".", "-"),
                "ar-SA" => ("\u066b", "\u066c", "\u061c-"),
                _ => (",", "\u00a0", "\u2212"),
            };
        CultureInfo.CurrentCulture = culture;
    }
}
