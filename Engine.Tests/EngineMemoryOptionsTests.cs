using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>The options against the process's own environment, which each test puts back.</summary>
[NonParallelizable]
internal sealed class EngineMemoryOptionsTests
{
    private readonly Dictionary<string, string?> _before = [];

    [TearDown]
    public void PutTheEnvironmentBack()
    {
        foreach ((string name, string? value) in _before)
            Environment.SetEnvironmentVariable(name, value);

        _before.Clear();
    }

    [Test]
    public void The_environment_takes_the_place_of_the_options()
    {
        Set("ENGINE_MEMORY_RESERVATION", "256 MiB");
        Set("ENGINE_MEMORY_PREFAULT", "Touch");
        Set("ENGINE_MEMORY_PAGES", "normal");
        Set("ENGINE_MEMORY_RETAIN", "4194304");
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        Assert.Multiple(() =>
        {
            Assert.That(memory.ReservationBytes, Is.EqualTo(Size.MiB(256)));
            Assert.That(memory.Options.Prefault, Is.EqualTo(PrefaultPolicy.Touch));
            Assert.That(memory.Options.Pages, Is.EqualTo(PageKind.Normal));
            Assert.That(memory.Options.RetainBytes, Is.EqualTo(Size.MiB(4)));
            Assert.That(
                memory.Settings,
                Does.Contain("ENGINE_MEMORY_PAGES=normal").And.Contain("reservation: 256 MiB").And.Contain(
                    "touch on pages normal"));
        });
    }

    [Test]
    public void Without_variables_the_options_stand()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        Assert.That(memory.ReservationBytes, Is.EqualTo(Size.MiB(128)));
        Assert.That(memory.Settings, Does.Contain("environment: nothing set"));
    }

    [TestCase("ENGINE_MEMORY_PREFAULT", "memset", "automatic, none, touch, clear, populate-at-mapping, "
        + "populate-write, lock, prefetch")]
    [TestCase("ENGINE_MEMORY_PAGES", "large", "automatic, normal, transparent-huge, explicit-huge")]
    [TestCase("ENGINE_MEMORY_NODES", "all", "automatic, first-touch, interleave, local")]
    [TestCase("ENGINE_MEMORY_RESERVATION", "much", "KiB, MiB, GiB or TiB")]
    [TestCase("ENGINE_MEMORY_RETAIN", "-1", "KiB, MiB, GiB or TiB")]
    [TestCase("ENGINE_MEMORY_HEADROOM", "a lot", "KiB, MiB, GiB or TiB")]
    [TestCase("ENGINE_MEMORY_RESERVATION", "64", "0 for an automatic one, or a multiple of 2 MiB from 64 MiB on")]
    [TestCase("ENGINE_MEMORY_RESERVATION", "65 MiB", "0 for an automatic one, or a multiple of 2 MiB from 64 MiB on")]
    public void An_unknown_value_is_refused_with_those_that_are_known(string name, string value, string valid)
    {
        Set(name, value);
        Assert.That(
            () => new EngineMemory(),
                Throws.TypeOf<EngineMemoryException>().With.Message.Contains(name).And.Message.Contains(
                value).And.Message.Contains(valid));
    }

    [Test]
    public void Each_policy_and_kind_of_pages_has_a_word()
    {
        foreach (PrefaultPolicy policy in Enum.GetValues<PrefaultPolicy>())
        {
            string word = string.Concat(policy.ToString().Select((letter, index) =>
                char.IsUpper(letter) && index > 0 ? $"-{letter}" : $"{letter}"));
            EnvironmentSettings environment = new(name => name == "ENGINE_MEMORY_PREFAULT" ? word : null);
            Assert.That(new EngineMemoryOptions().With(environment).Prefault, Is.EqualTo(policy));
        }

        foreach (PageKind pages in Enum.GetValues<PageKind>())
        {
            string word = string.Concat(pages.ToString().Select((letter, index) =>
                char.IsUpper(letter) && index > 0 ? $"-{letter}" : $"{letter}"));
            EnvironmentSettings environment = new(name => name == "ENGINE_MEMORY_PAGES" ? word : null);
            Assert.That(new EngineMemoryOptions().With(environment).Pages, Is.EqualTo(pages));
        }
    }

    [Test]
    public void Nothing_set_leaves_what_the_options_say()
    {
        EnvironmentSettings settings = new(_ => null);
        Assert.That(
            settings.Choice("ENGINE_MEMORY_PREFAULT", SettingWords.Prefault, PrefaultPolicy.Lock),
            Is.EqualTo(PrefaultPolicy.Lock));
        Assert.That(settings.Bytes("ENGINE_MEMORY_RESERVATION"), Is.Null);
        Assert.That(settings.Describe(), Is.Empty);
    }

    [TestCase("64GiB", 64UL << 30)]
    [TestCase(" 512 MiB ", 512UL << 20)]
    [TestCase("1.5 KiB", 1536UL)]
    [TestCase("4096", 4096UL)]
    [TestCase("24 bytes", 24UL)]
    [TestCase("1TiB", 1UL << 40)]
    [TestCase("0", 0UL)]
    [TestCase("0 bytes", 0UL)]
    [TestCase("1 B", 1UL)]
    public void Sizes_have_binary_units(string text, ulong bytes)
    {
        EnvironmentSettings settings = new(_ => text);
        Assert.That((ulong?)settings.Bytes("ENGINE_MEMORY_RESERVATION"), Is.EqualTo(bytes));
        Assert.That(settings.Describe(), Does.StartWith("ENGINE_MEMORY_RESERVATION=" + text.Trim()));
    }

    [TestCase("64GB")]
    [TestCase("512 mib")]
    [TestCase("-1")]
    [TestCase("0.3 B")]
    [TestCase("99999999TiB")]
    [TestCase("GiB")]
    public void What_is_not_a_size_is_refused(string text) => Assert.That(
        () => new EnvironmentSettings(_ => text).Bytes("ENGINE_MEMORY_RESERVATION"),
        Throws.TypeOf<EngineMemoryException>().With.Message.Contains("KiB, MiB, GiB or TiB"));

    [Test]
    public void Zero_takes_back_what_the_options_say()
    {
        Set("ENGINE_MEMORY_RESERVATION", "0");
        Set("ENGINE_MEMORY_RETAIN", "0");
        Set("ENGINE_MEMORY_HEADROOM", "0");
        using EngineMemory memory = new(
            new EngineMemoryOptions
            {
                ReservationBytes = Size.MiB(128),
                RetainBytes = Size.MiB(32),
                HeadroomBytes = Size.MiB(64),
            });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(memory.ReservationBytes, Is.GreaterThan(Size.MiB(128)), "the automatic one");
            Assert.That(memory.Options.RetainBytes, Is.EqualTo((nuint)0));
            Assert.That(memory.Options.HeadroomBytes, Is.EqualTo((nuint)0));
        }
    }

    [Test]
    public void A_reservation_that_the_system_refuses_names_the_variable()
    {
        Set("ENGINE_MEMORY_RESERVATION", "1048576 TiB");
        Assert.That(
            () => new EngineMemory(),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("ENGINE_MEMORY_RESERVATION"));
    }

    [TestCase(128u << 20, 0u)]
    [TestCase(130u << 20, 1u)]
    [TestCase(128u << 20, 1_000_001u)]
    [TestCase(1u << 30, 96u << 20)]
    public void What_Settings_prints_is_taken_as_it_is_printed(uint reservation, uint retain)
    {
        EngineMemoryOptions options = new()
        {
            ReservationBytes = reservation,
            RetainBytes = retain,
            HeadroomBytes = retain,
            Prefault = PrefaultPolicy.PopulateWrite,
            Pages = PageKind.TransparentHuge,
            Checks = MemoryChecks.Hardened,
        };
        using EngineMemory memory = new(options);
        Dictionary<string, string> lines = memory.Settings.Split('\n').Select(line => line.Split(": ", 2)).ToDictionary(
            parts => parts[0], parts => parts[1]);
        Set("ENGINE_MEMORY_RESERVATION", lines["reservation"].Split(" at ")[0]);
        Set("ENGINE_MEMORY_RETAIN", lines["retain"]);
        Set("ENGINE_MEMORY_HEADROOM", lines["headroom"].Split(" (")[0]);
        Set("ENGINE_MEMORY_PREFAULT", lines["prefault"].Split(" on pages ")[0]);
        Set("ENGINE_MEMORY_PAGES", lines["prefault"].Split(" on pages ")[1].Split(';')[0]);
        Set("ENGINE_MEMORY_CHECKS", lines["checks"]);
        using EngineMemory again = new();
        Assert.That(again.Options, Is.EqualTo(options));
    }

    private void Set(string name, string value)
    {
        _before.TryAdd(name, Environment.GetEnvironmentVariable(name));
        Environment.SetEnvironmentVariable(name, value);
    }
}
