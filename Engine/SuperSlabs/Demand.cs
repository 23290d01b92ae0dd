namespace Engine.SuperSlabs;

/// <summary>Who asks the pool for SuperSlabs, and for blocks of which class.</summary>
/// <param name="OwnerTag">The arena's tag.</param>
/// <param name="SizeClass">The size class, or <see cref="NoClass"/> where it is for no block in particular.</param>
internal readonly record struct Demand(uint OwnerTag, int SizeClass)
{
    public const int NoClass = -1;
}
