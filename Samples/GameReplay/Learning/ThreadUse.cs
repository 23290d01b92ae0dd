namespace Samples.GameReplay.Learning;

/// <summary>What one thread does with blocks of one size in the whole trace.</summary>
/// <param name="Thread">The thread.</param>
/// <param name="BlockBytes">The size of the blocks, after rounding.</param>
/// <param name="Allocations">How many it allocates.</param>
/// <param name="Frees">How many it frees, whoever allocated them: no more than these can lie in its cache.</param>
internal sealed record ThreadUse(int Thread, long BlockBytes, long Allocations, long Frees);
