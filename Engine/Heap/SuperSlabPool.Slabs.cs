using System.Diagnostics;

namespace SuperSlab;

/// <content>The memory of single slabs in an arena's SuperSlab.</content>
internal sealed unsafe partial class SuperSlabPool
{
    /// <summary>Whether parts of a SuperSlab may be without memory: not where it is one page, or pages are
    /// kept.</summary>
    public bool CanDiscard(int superSlab) =>
        _reservation.SuperSlabs[superSlab].Pages != PageKind.ExplicitHuge && !_prefaulter.KeepsPages;

    /// <summary>Gives the memory of pages back to the system. Nobody uses them meanwhile.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void Discard(PageRange pages) => _os.Discard(AddressOf(pages), pages.Bytes);

    /// <summary>Puts memory behind pages, as far as they have none.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave none.</exception>
    public void Fill(PageRange pages, Demand demand)
    {
        Observer?.Invoke(demand, 1);
        _prefaulter.Refill(AddressOf(pages), pages.Bytes);
        _reservation.SuperSlabs[pages.First / PageRange.PagesPerSlab / SlabGeometry.SlabCount].ReadyAt =
            Stopwatch.GetTimestamp();
    }

    private nint AddressOf(PageRange pages) =>
        _reservation.AddressOfSlab(0) + (nint)((nuint)pages.First << PageRange.PageShift);

    /// <summary>Prefaults the needed slabs of claimed SuperSlabs that are not ready and in which others are not needed.
    /// </summary>
    private void PrefaultParts(
        ReadOnlySpan<int> lengths, Span<int> needed, ReadOnlySpan<int> starts, Demand demand, PrefaultTask? task)
    {
        Prefaulter prefaulter = task?.Prefaulter ?? _prefaulter;
        for (int run = 0; run < needed.Length; run++)
        {
            bool isWhole = !prefaulter.ProvidesParts || Bitmap.IsSet(_ready, LastOf(run, lengths, starts));
            needed[run] = isWhole ? lengths[run] * SlabGeometry.SlabCount : needed[run];
        }

        for (int run = 0; run < needed.Length; run++)
        {
            int slabs = needed[run] - ((lengths[run] - 1) * SlabGeometry.SlabCount);
            if (slabs == SlabGeometry.SlabCount)
                continue;

            int superSlab = LastOf(run, lengths, starts);
            EnsureTables(superSlab + 1);
            Observer?.Invoke(demand, 1);
            prefaulter.ProvidePart(
                _reservation.AddressOf(superSlab), SlabGeometry.SuperSlabBytes, (nuint)slabs << SlabGeometry.SlabShift,
                task?.Cancellation ?? CancellationToken.None);
            Describe(superSlab, PageKind.Normal);
            Enter();
            Bitmap.Set(_ready, superSlab, 1);
            Bitmap.Clear(_refused, superSlab, 1);
            Exit();
        }
    }

    /// <summary>After a failure: SuperSlabs of which a part is prefaulted are not ready.</summary>
    private void GiveUpParts(ReadOnlySpan<int> lengths, ReadOnlySpan<int> needed, ReadOnlySpan<int> starts)
    {
        for (int run = 0; run < needed.Length; run++)
        {
            int superSlab = LastOf(run, lengths, starts);
            if (needed[run] < lengths[run] * SlabGeometry.SlabCount && Bitmap.IsSet(_ready, superSlab))
                MarkPartial(superSlab);
        }
    }

    private static int LastOf(int run, ReadOnlySpan<int> lengths, ReadOnlySpan<int> starts) =>
        starts[run] + lengths[run] - 1;

    /// <summary>Marks a SuperSlab with pages that cannot be used as not ready; a trim gives back what it has.</summary>
    private void MarkPartial(int superSlab)
    {
        Enter();
        Bitmap.Clear(_ready, superSlab, 1);
        Bitmap.Set(_refused, superSlab, 1);
        Exit();
    }
}
