namespace Samples.RandomMixed;

/// <summary>The work of a run: how many operations, on how many slots, from which seed.</summary>
internal readonly record struct MixedWork(ulong Operations, uint WorkingSet, uint Seed);
