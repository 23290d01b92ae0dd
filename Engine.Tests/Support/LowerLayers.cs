using Silk.NET.Core.Contexts;

namespace Engine.Tests.Support;

/// <summary>The layers below the arenas, put together as <see cref="EngineMemory"/> does it, for tests of one of them alone.</summary>
internal sealed class LowerLayers : IDisposable
{
    public LowerLayers(nuint bytes = 0, INativeContext? context = null, nuint retainBytes = 0)
    {
        Os = VirtualMemory.Create(context);
        Prefaulter = new Prefaulter(Os, PrefaultPolicy.Automatic, PageKind.Automatic);
        Reservation = new Reservation(Os, Prefaulter, bytes == 0 ? 1 * Sizes.GiB : bytes);
        Heap = new MetadataHeap(Reservation.Heap);
        Pool = new SuperSlabPool(Os, Prefaulter, Reservation, retainBytes);
    }

    public VirtualMemory Os { get; }

    public Prefaulter Prefaulter { get; }

    public Reservation Reservation { get; }

    public MetadataHeap Heap { get; }

    public SuperSlabPool Pool { get; }

    /// <summary>Writes a byte to every page of SuperSlabs, and so faults where they are not resident.</summary>
    public unsafe void Touch(int start, int count)
    {
        byte* address = (byte*)Reservation.AddressOf(start);
        for (nuint offset = 0; offset < (nuint)count << SlabGeometry.SuperSlabShift; offset += 4096)
        {
            address[offset] = 1;
        }
    }

    public void Dispose() => Reservation.Dispose();
}
