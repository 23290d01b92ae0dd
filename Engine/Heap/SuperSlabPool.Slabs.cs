using System.Diagnostics;

namespace SuperSlab;

/// <content>The memory of single slabs in an arena's SuperSlab.</content>
internal sealed unsafe partial class SuperSlabPool
{
    /// <summary>Whether parts of a SuperSlab may be without memory: not where it is one page, or pages are
    /// kept.</summary>
    public bool CanDiscard(int superSlab) =>
        _reservation.SuperSlabs[superSlab].Pages != PageKind.ExplicitHuge && !_prefaulter.KeepsPages;

    /// <summary>Gives the memory of slabs back to the system. Nobody uses them meanwhile.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void Discard(int slab, int count) =>
        _os.Discard(_reservation.AddressOfSlab(slab), (nuint)count << SlabGeometry.SlabShift);

    /// <summary>Puts memory behind slabs, as far as they have none.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave none.</exception>
    public void Fill(int slab, int count, Demand demand)
    {
        Observer?.Invoke(demand, 1);
        _prefaulter.Refill(_reservation.AddressOfSlab(slab), (nuint)count << SlabGeometry.SlabShift);
        _reservation.SuperSlabs[slab / SlabGeometry.SlabCount].ReadyAt = Stopwatch.GetTimestamp();
    }

    /// <summary>Marks a SuperSlab with slabs without memory as not ready; a trim gives back what it has.</summary>
    private void MarkPartial(int superSlab)
    {
        Enter();
        Bitmap.Clear(_ready, superSlab, 1);
        Bitmap.Set(_refused, superSlab, 1);
        Exit();
    }
}
