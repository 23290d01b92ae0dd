using SuperSlab;

namespace Samples.Benchmarks.Contestants;

/// <summary>The engine's arena, of which each thread takes a handle.</summary>
internal readonly struct HandleContestant(LongLivedArena arena) : IContestant<HandleAllocator>
{
    /// <inheritdoc/>
    public HandleAllocator Open() => new(arena.GetHandle());
}
