namespace Engine.Scenes;

/// <summary>What a frame may do of one kind of thing that does not belong in the hot loop. Immutable; any thread.</summary>
/// <param name="AllowedPerFrame">How many (or, of managed memory, how many bytes) a frame may have. Default 0.</param>
/// <param name="Action">What is done about more.</param>
public readonly record struct HotLoopRule(long AllowedPerFrame, HotLoopAction Action = HotLoopAction.Count);
