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
                Does.Contain("ENGINE_MEMORY_PAGES=normal").And.Contain("256.0 MiB").And.Contain("Touch"));
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
    [TestCase("ENGINE_MEMORY_NODES", "all", "automatic, first-touch, interleave")]
    [TestCase("ENGINE_MEMORY_RESERVATION", "much", "KiB, MiB, GiB or TiB")]
    [TestCase("ENGINE_MEMORY_RETAIN", "-1", "KiB, MiB, GiB or TiB")]
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
        Assert.That(settings.Bytes("ENGINE_MEMORY_RESERVATION", 5), Is.EqualTo((nuint)5));
        Assert.That(settings.Describe(), Is.Empty);
    }

    [TestCase("64GiB", 64UL << 30)]
    [TestCase(" 512 MiB ", 512UL << 20)]
    [TestCase("1.5 KiB", 1536UL)]
    [TestCase("4096", 4096UL)]
    [TestCase("24 bytes", 24UL)]
    [TestCase("1TiB", 1UL << 40)]
    public void Sizes_have_binary_units(string text, ulong bytes)
    {
        EnvironmentSettings settings = new(_ => text);
        Assert.That((ulong)settings.Bytes("ENGINE_MEMORY_RESERVATION", 0), Is.EqualTo(bytes));
        Assert.That(settings.Describe(), Does.StartWith("ENGINE_MEMORY_RESERVATION=" + text.Trim()));
    }

    [TestCase("64GB")]
    [TestCase("512 mib")]
    [TestCase("-1")]
    [TestCase("0")]
    [TestCase("0.3 B")]
    [TestCase("99999999TiB")]
    [TestCase("GiB")]
    public void What_is_not_a_size_is_refused(string text) => Assert.That(
        () => new EnvironmentSettings(_ => text).Bytes("ENGINE_MEMORY_RESERVATION", 0),
        Throws.TypeOf<EngineMemoryException>().With.Message.Contains("KiB, MiB, GiB or TiB"));

    private void Set(string name, string value)
    {
        _before.TryAdd(name, Environment.GetEnvironmentVariable(name));
        Environment.SetEnvironmentVariable(name, value);
    }
}
