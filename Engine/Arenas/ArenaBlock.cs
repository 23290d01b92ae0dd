namespace Engine.Arenas;

/// <summary>A block that a caller holds.</summary>
/// <param name="Address">Where it begins.</param>
/// <param name="Bytes">How many bytes of it may be used.</param>
public readonly record struct ArenaBlock(nint Address, nuint Bytes);
