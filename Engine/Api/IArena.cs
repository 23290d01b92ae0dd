namespace SuperSlab;

/// <summary>What all arenas share: a lifetime.</summary>
internal interface IArena : IDisposable
{
    /// <summary>The name given at creation, as reports and messages show it.</summary>
    string Name { get; }

    /// <summary>SuperSlabs of 2 MiB that the arena owns now.</summary>
    int SuperSlabCount { get; }

    /// <summary>Checks every equation of the arena's structures. Slow; no other thread may use the arena
    /// meanwhile.</summary>
    /// <exception cref="EngineMemoryException">What does not hold.</exception>
    void Validate();
}

/// <summary>Looks at arenas; see <see cref="ArenaRegistry.Read"/>.</summary>
internal interface IArenaReader
{
    /// <param name="arena">A living arena.</param>
    /// <param name="number">Its number, which another arena may have once this one is gone.</param>
    void Read(IArena arena, int number);
}
