namespace Engine.Tests.Diagnostics;

/// <summary>Snapshots for tests, in memory that is large enough.</summary>
internal static class Snapshots
{
    public static MemorySnapshot Take(EngineMemory memory, bool asksSystem = false)
    {
        byte[] room = new byte[4 << 20];
        Assert.That(MemorySnapshot.TryTake(memory, room, out MemorySnapshot snapshot, out _, asksSystem));
        return snapshot;
    }

    /// <summary>The tag of a name; that of code without a tag has none.</summary>
    public static TagRow TagOf(EngineMemory memory, string name = "")
    {
        foreach (ref readonly TagRow tag in Take(memory).Tags)
        {
            if (tag.Name.Is(name))
                return tag;
        }

        throw new AssertionException($"There is no tag '{name}'.");
    }

    public static ArenaRow ArenaOf(MemorySnapshot snapshot, string name)
    {
        foreach (ref readonly ArenaRow arena in snapshot.Arenas)
        {
            if (arena.Name.Is(name))
                return arena;
        }

        throw new AssertionException($"There is no arena '{name}'.");
    }
}
