namespace Engine.Tests.Api;

internal sealed class ArenaRegistryTests
{
    [Test]
    public void A_number_finds_its_arena_until_that_is_gone_and_then_nobody()
    {
        ArenaRegistry registry = new();
        using Named first = new("first");
        using Named second = new("second");
        uint firstTag = registry.Add(first);
        uint secondTag = registry.Add(second);
        Assert.That(firstTag, Is.Not.Zero.And.Not.EqualTo(secondTag));
        Assert.That(firstTag & byte.MaxValue, Is.Zero, "the low byte is the size class's");
        Assert.That(registry.NameOf(secondTag), Is.EqualTo("second"));
        registry.Remove(firstTag);
        Assert.That(registry.NameOf(firstTag), Is.EqualTo("(disposed)"));
        Assert.That(registry.NameOf(0xFFFF00), Is.EqualTo("(unknown)"));
        Assert.That(registry.Snapshot(), Is.EqualTo((IArena[])[second]));
        uint thirdTag = registry.Add(first);
        Assert.That(thirdTag, Is.Not.EqualTo(firstTag).And.Not.EqualTo(secondTag));
        Assert.That(registry.Find(firstTag), Is.Null);
        Assert.That(registry.NameOf(firstTag), Is.EqualTo("(disposed)"));
        Assert.That(registry.Find(thirdTag), Is.SameAs(first));
        Assert.That(registry.Snapshot(), Is.EqualTo((IArena[])[second, first]), "the newest last");
    }

    private sealed class Named(string name) : IArena
    {
        public string Name { get; } = name;

        public int SuperSlabCount => 0;

        public void Validate()
        {
        }

        public void Dispose()
        {
        }
    }
}
