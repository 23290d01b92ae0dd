namespace Engine.Tests.Platform;

/// <summary>What the environment may say, and what it is told when it says something else.</summary>
internal sealed class PrefaultSettingsTests
{
    [Test]
    public void Each_word_means_its_policy_in_any_case()
    {
        foreach ((string word, PrefaultPolicy policy) in PrefaultSettings.Policies)
        {
            Assert.That(PrefaultSettings.Policy(With(PrefaultSettings.PolicyVariable, word.ToUpperInvariant()), PrefaultPolicy.None), Is.EqualTo(policy));
        }

        foreach ((string word, PageKind pages) in PrefaultSettings.Pages)
        {
            Assert.That(PrefaultSettings.PagesOf(With(PrefaultSettings.PagesVariable, $" {word} "), PageKind.Normal), Is.EqualTo(pages));
        }

        Assert.That(PrefaultSettings.Policies.Length, Is.EqualTo(Enum.GetValues<PrefaultPolicy>().Length));
        Assert.That(PrefaultSettings.Pages.Length, Is.EqualTo(Enum.GetValues<PageKind>().Length));
    }

    [Test]
    public void An_unknown_word_is_refused_with_the_list_of_valid_ones()
    {
        Assert.That(
            () => PrefaultSettings.Policy(With(PrefaultSettings.PolicyVariable, "fast"), PrefaultPolicy.None),
            Throws.TypeOf<EngineMemoryException>().With.Message.EqualTo(
                "ENGINE_MEMORY_PREFAULT is \"fast\", which is not known. "
                + "Valid are: automatic, none, touch, clear, populate-at-mapping, populate-write, lock, prefetch."));
        Assert.That(
            () => PrefaultSettings.PagesOf(With(PrefaultSettings.PagesVariable, "1"), PageKind.Normal),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("automatic, normal, transparent-huge, explicit-huge"));
    }

    [Test]
    public void Nothing_set_leaves_what_the_options_say()
    {
        var settings = new EnvironmentSettings(_ => null);
        Assert.That(PrefaultSettings.Policy(settings, PrefaultPolicy.Lock), Is.EqualTo(PrefaultPolicy.Lock));
        Assert.That(settings.Bytes("ENGINE_MEMORY_RESERVATION", 5), Is.EqualTo((nuint)5));
        Assert.That(settings.Describe(), Is.Empty);
    }

    [TestCase("64GiB", 64UL << 30)]
    [TestCase("512 mib", 512UL << 20)]
    [TestCase("4096", 4096UL)]
    [TestCase("1TiB", 1UL << 40)]
    public void Sizes_have_binary_units(string text, ulong bytes)
    {
        EnvironmentSettings settings = With("ENGINE_MEMORY_RESERVATION", text);
        Assert.That((ulong)settings.Bytes("ENGINE_MEMORY_RESERVATION", 0), Is.EqualTo(bytes));
        Assert.That(settings.Describe(), Does.StartWith("ENGINE_MEMORY_RESERVATION=" + text));
    }

    [TestCase("64GB")]
    [TestCase("-1")]
    [TestCase("0")]
    [TestCase("1.5GiB")]
    [TestCase("99999999TiB")]
    [TestCase("GiB")]
    public void What_is_not_a_size_is_refused(string text)
    {
        Assert.That(
            () => With("ENGINE_MEMORY_RESERVATION", text).Bytes("ENGINE_MEMORY_RESERVATION", 0),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("KiB, MiB, GiB or TiB"));
    }

    private static EnvironmentSettings With(string name, string value) => new(asked => asked == name ? value : null);
}
