namespace Engine.Tests.Support;

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
