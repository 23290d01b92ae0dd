namespace Engine.Arenas;

/// <summary>Looks at arenas; see <see cref="ArenaRegistry.Read"/>.</summary>
internal interface IArenaReader
{
    /// <param name="arena">A living arena.</param>
    /// <param name="number">Its number, which another arena may have once this one is gone.</param>
    void Read(IArena arena, int number);
}
