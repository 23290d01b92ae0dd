namespace SuperSlab;

/// <content>A trim of the pages on which all blocks are free, in runs that hold others.</content>
internal sealed unsafe partial class ArenaSlabs
{
    /// <summary>
    /// Gives free pages back to the system, except of size classes that a prewarm named and in SuperSlabs that came by
    /// one. Other threads may go on: they do not find a run's free blocks meanwhile.
    /// </summary>
    /// <returns>The bytes given back.</returns>
    /// <exception cref="EngineMemoryException">The system refused: the pages keep their memory.</exception>
    public nuint TrimPages()
    {
        nuint bytes = 0;
        for (int superSlab = 0; superSlab < Space.End; superSlab++)
        {
            int first = superSlab * SlabGeometry.SlabCount;
            int end = Space.IsTrimmable(superSlab) ? first + SlabGeometry.SlabCount : first;
            for (int slab = first; slab < end; slab++)
                bytes += TrimPages(slab);
        }

        return bytes;
    }

    private nuint TrimPages(int slab)
    {
        if (!Space.IsOwnTag(_reservation.Tags[slab], out int sizeClass) || _classes[sizeClass].Capacity == 1)
            return 0;

        ClassState* state = _classes + sizeClass;
        NativeLock.Enter(&state->Lock);

        // Another run may have begun there meanwhile.
        bool isRun = Space.IsOwnTag(_reservation.Tags[slab], out int now) && now == sizeClass
            && _runs[slab]->Offset == 0 && _runs[slab]->FreeBlocks != 0
            && Total(ArenaClasses.SizeClassOf(sizeClass)).PrewarmedRuns == 0;
        AsideBlocks aside = default;
        bool isAside = isRun && _runs.TrySetAside(state, slab, out aside);
        NativeLock.Exit(&state->Lock);
        return isAside ? Discard(state, slab, aside) : 0;
    }

    private nuint Discard(ClassState* state, int slab, AsideBlocks aside)
    {
        AsideBlocks.SlabPages wanted = aside.Pages;
        aside.Pages = default;
        nuint pages = 0;
        try
        {
            for (int offset = 0; offset < SlabGeometry.SlabCount; offset++)
            {
                while (aside.Pages[offset] != wanted[offset])
                {
                    (int first, int count) = Bitmap.LowestRun((uint)(wanted[offset] & ~aside.Pages[offset]));
                    Space.DiscardPages(new PageRange(((slab + offset) * PageRange.PagesPerSlab) + first, count));
                    aside.Pages[offset] |= (ushort)Bitmap.Mask(first, count);
                    pages += (nuint)count;
                }
            }
        }
        finally
        {
            NativeLock.Enter(&state->Lock);
            _runs.TakeBack(state, slab, aside);
            NativeLock.Exit(&state->Lock);
        }

        return pages << PageRange.PageShift;
    }

    /// <summary>Puts memory behind pages of a block that was just taken.</summary>
    /// <returns>1 where the system gave none and the block, not the only one, was returned; else 0.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave none for the only block, which was returned.
    /// </exception>
    private int Provide(int sizeClass, nuint* block, PageRange absent, bool isOnly)
    {
        bool isFilled = false;
        try
        {
            Space.FillPages(absent, ArenaClasses.SizeClassOf(sizeClass));
            isFilled = true;
            return 0;
        }
        catch (EngineOutOfMemoryException) when (!isOnly)
        {
            return 1;
        }
        finally
        {
            if (!isFilled)
            {
                ClassState* state = _classes + sizeClass;
                NativeLock.Enter(&state->Lock);
                _runs.ReturnBlocks(sizeClass, state, block, 1, out _);
                _runs.MarkAbsent(state, absent);
                NativeLock.Exit(&state->Lock);
            }
        }
    }
}
