namespace Engine.Slabs;

/// <summary>An arena's wish for more than its hard budget.</summary>
/// <param name="HeldBytes">What the arena holds, in bytes of SuperSlabs.</param>
/// <param name="MoreBytes">What it wants in addition.</param>
/// <param name="BlockBytes">The size of the blocks it is for; 0 where they have no size in common.</param>
public readonly record struct ArenaOverflowRequest(nuint HeldBytes, nuint MoreBytes, nuint BlockBytes);
