namespace Engine.Arenas;

/// <summary>Live blocks of one size that were allocated for the same purpose at the same place.</summary>
/// <param name="Bytes">The size that was asked for, in bytes, of each.</param>
/// <param name="Count">How many.</param>
/// <param name="Tag">The <see cref="AllocationTag"/> in force when they were allocated, or null.</param>
/// <param name="CallStack">Where they were allocated, or null where call stacks were not recorded.</param>
public readonly record struct LiveAllocation(nuint Bytes, long Count, string? Tag, string? CallStack);
