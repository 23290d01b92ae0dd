namespace SuperSlab;

/// <content>
/// Reserved ranges: each is one block of the class <see cref="SizeClasses.Huge"/> as long as it has memory, and grows
/// where it is, because nobody else takes the addresses behind it.
/// </content>
internal sealed unsafe partial class ArenaSlabs
{
    /// <summary>SuperSlabs of the ranges. Under the lock of the class <see cref="SizeClasses.Huge"/>.</summary>
    private long _rangeSuperSlabs;

    /// <summary>Makes a range longer. The budget has admitted the SuperSlabs.</summary>
    /// <param name="superSlab">The range's first SuperSlab.</param>
    /// <param name="length">How many have memory.</param>
    /// <param name="more">How many get it.</param>
    /// <param name="task">How they are prefaulted; null on demand.</param>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    public void GrowRange(int superSlab, int length, int more, PrefaultTask? task)
    {
        Space.GrowRange(superSlab, length, more, task);
        ClassState* state = _classes + SizeClasses.Huge;
        int slab = superSlab * SlabGeometry.SlabCount;
        int slabs = more * SlabGeometry.SlabCount;
        NativeLock.Enter(&state->Lock);
        if (length == 0)
        {
            nuint block;
            _runs.Begin(SizeClasses.Huge, state, slab, slabs, bitmap: null);
            _runs.TakeBlocks(state, slab, &block, 1, out _);
            _runs[slab]->Kind = ExtentKind.Range;
        }
        else
        {
            _runs[slab]->SlabCount += slabs;
        }

        _rangeSuperSlabs += more;
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>Gives the memory behind a range's first SuperSlabs back to the system.</summary>
    /// <param name="superSlab">The range's first SuperSlab.</param>
    /// <param name="length">How many have memory.</param>
    /// <param name="kept">How many keep it; at least one.</param>
    /// <exception cref="EngineMemoryException">The system refused. The range is shorter even so.</exception>
    public void ShrinkRange(int superSlab, int length, int kept)
    {
        ClassState* state = _classes + SizeClasses.Huge;
        NativeLock.Enter(&state->Lock);
        _runs[superSlab * SlabGeometry.SlabCount]->SlabCount = kept * SlabGeometry.SlabCount;
        _rangeSuperSlabs -= length - kept;
        NativeLock.Exit(&state->Lock);
        Space.ShrinkRange(superSlab, length, kept);
    }

    /// <summary>Frees a range's block, whose addresses are reserved no more.</summary>
    public void EndRange(int superSlab, int length)
    {
        ClassState* state = _classes + SizeClasses.Huge;
        nuint block = (nuint)_reservation.AddressOf(superSlab);
        NativeLock.Enter(&state->Lock);
        _rangeSuperSlabs -= length;
        _runs.ReturnBlocks(SizeClasses.Huge, state, &block, 1, out int unneeded);
        LetGo(SizeClasses.Huge, state, unneeded);
        NativeLock.Exit(&state->Lock);
    }

    /// <summary>Whether a block of the arena is a reserved range.</summary>
    public bool IsRange(nint block, int sizeClass) =>
        sizeClass == SizeClasses.Huge && _runs[_runs.SlabOf(block)]->IsRange;
}
