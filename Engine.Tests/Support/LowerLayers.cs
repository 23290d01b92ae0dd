using Silk.NET.Core.Contexts;

namespace Engine.Tests.Support;

/// <summary>The layers below the arenas, put together as <see cref="EngineMemory"/> does it, for tests of one of them
/// alone.</summary>
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
            address[offset] = 1;
    }

    public void Dispose() => Reservation.Dispose();
}

/// <summary>One arena's slabs without thread caches and without an arena.</summary>
internal sealed class ArenaLayers : IDisposable
{
    public const uint Tag = 7u << 8;

    public ArenaLayers(nuint bytes = 0)
    {
        Lower = new LowerLayers(bytes == 0 ? Sizes.GiB : bytes);
        Slabs = new ArenaSlabs(Lower.Reservation, Lower.Pool, Lower.Heap, Tag);
    }

    public LowerLayers Lower { get; }

    public ArenaSlabs Slabs { get; }

    public unsafe int RunsOf(int sizeClass) => Slabs.ClassOf(sizeClass)->Runs;

    public unsafe nuint TakeOne(int sizeClass)
    {
        nuint block;
        return Slabs.Fill(sizeClass, &block, 1) == 1 ? block : 0;
    }

    public unsafe void ReturnOne(int sizeClass, nuint block) => Slabs.Return(sizeClass, &block, 1);

    /// <summary>The slab, by number, that an address lies in.</summary>
    public int SlabOf(nuint block) => (int)((block - (nuint)Lower.Reservation.Base) >> SlabGeometry.SlabShift);

    public void Dispose() => Lower.Dispose();
}
