namespace SuperSlab;

/// <summary>Where full checks take the blocks from that they lay between red zones. Any thread, no lock held.</summary>
internal interface IBlockSource
{
    /// <returns>A block, or 0 where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The budget is spent, or the system gave no memory.</exception>
    nuint Take(nuint bytes, nuint alignment);

    /// <summary>The size of a block that was taken.</summary>
    nuint BytesOf(nuint block);

    /// <exception cref="EngineMemoryException">It is no block, or free already.</exception>
    void Return(nuint block);

    /// <summary>Gives back the memory that no block is in.</summary>
    void ReleaseUnused();
}

/// <content>The slabs of a long-lived arena as such a source.</content>
internal sealed unsafe partial class ArenaSlabs : IBlockSource
{
    nuint IBlockSource.Take(nuint bytes, nuint alignment)
    {
        int sizeClass = SizeClasses.IndexOf(bytes, alignment);
        if (sizeClass == SizeClasses.Huge)
            return AllocateHuge(bytes);

        nuint block;
        return Fill(sizeClass, &block, 1) == 0 ? 0 : block;
    }

    nuint IBlockSource.BytesOf(nuint block) => UsableBytes((nint)block, ClassAt(block));

    void IBlockSource.Return(nuint block) => Return(ClassAt(block), &block, 1);

    void IBlockSource.ReleaseUnused() => ReleaseEmptyRuns();

    private int ClassAt(nuint block) => (int)(_reservation.Tags[_runs.SlabOf((nint)block)] & byte.MaxValue);
}
