using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// The one large range of address space taken at start-up, and the layout of the metadata at its end.
///
///   Base                            Base + BlockBytes                                                Base + TotalBytes
///   | SuperSlab 0, SuperSlab 1, ... | tags | slab descriptors | SuperSlab descriptors | pool bitmaps | metadata heap |
///   |                               |&lt;------------------ prefaulted as far as it is used ---------------------&gt;|
///
/// Because every block lies inside, "is this address ours, and in which slab is it" is one subtraction, one compare and one shift:
///   slab = (address - base) &gt;&gt; 16,   SuperSlab = (address - base) &gt;&gt; 21
/// SuperSlabs are handed out from the lowest address up, so the tables are used, and resident, from their beginning.
/// </summary>
internal sealed unsafe class Reservation : IDisposable
{
    public const int SlabDescriptorBytes = 64;
    public static readonly nuint MinimumBytes = 64 * Sizes.MiB;
    private static readonly nuint DefaultBytes = sizeof(nuint) == 8 ? unchecked((nuint)(64UL << 30)) : 512 * Sizes.MiB;

    private readonly VirtualMemory _os;
    private readonly PrefaultedRegion _tags;
    private readonly PrefaultedRegion _slabs;
    private readonly PrefaultedRegion _superSlabs;
    private bool _released;
    private bool _headReleased;
    private bool _tailReleased;
    private bool _isWhole = true;

    /// <param name="os">Where the address space comes from.</param>
    /// <param name="prefaulter">How metadata is made resident.</param>
    /// <param name="bytes">A multiple of 2 MiB of at least <see cref="MinimumBytes"/>; 0 takes 64 GiB, or the half of it, and so on, as the system allows.</param>
    public Reservation(VirtualMemory os, Prefaulter prefaulter, nuint bytes)
    {
        _os = os;
        TotalBytes = Take(os, bytes, out nint address);
        Base = address;
        nuint page = nuint.Max(os.Facts.PageBytes, 16 * Sizes.KiB);
        nuint count = TotalBytes >> SlabGeometry.SuperSlabShift;
        BitmapWords = (int)((count + 63) / 64);
        nuint end = TotalBytes;
        try
        {
            PrefaultedRegion Region(nuint limitBytes, nuint stepBytes)
            {
                nuint size = Sizes.AlignUp(limitBytes, page);
                end -= size;
                return new(prefaulter, Base + (nint)end, size, Sizes.AlignUp(stepBytes, page));
            }

            Heap = Region(nuint.Max(TotalBytes / 32, 8 * Sizes.MiB), 64 * Sizes.KiB);
            Bitmaps = Region((SuperSlabPool.Bitmaps * (nuint)BitmapWords * sizeof(ulong)) + 64, page);
            _superSlabs = Region(count * SuperSlabDescriptor.SizeInBytes, page);
            _slabs = Region(count * SlabGeometry.SlabCount * SlabDescriptorBytes, 64 * Sizes.KiB);
            _tags = Region(count * SlabGeometry.SlabCount * sizeof(uint), page);
            SuperSlabCount = (int)(end >> SlabGeometry.SuperSlabShift);

            // A wild address may ask for any tag: the whole table is readable, zero where nothing was ever handed out.
            _tags.CommitAll(os);
            Bitmaps.Ensure(Bitmaps.LimitBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public nint Base { get; }

    /// <summary>The whole reservation, metadata included.</summary>
    public nuint TotalBytes { get; }

    /// <summary>The part that SuperSlabs are handed out from.</summary>
    public nuint BlockBytes => (nuint)SuperSlabCount << SlabGeometry.SuperSlabShift;

    public int SuperSlabCount { get; }

    public int BitmapWords { get; }

    public PrefaultedRegion Bitmaps { get; }

    public PrefaultedRegion Heap { get; }

    /// <summary>
    /// One word for each slab: 0 where no live block can begin, else (arena number &lt;&lt; 8) | size class. A slab run of one block has its
    /// tag in the first slab only.
    /// </summary>
    public uint* Tags => (uint*)_tags.Address;

    /// <summary>64 bytes for each slab, whose layout belongs to the layer above.</summary>
    public byte* SlabDescriptors => (byte*)_slabs.Address;

    public SuperSlabDescriptor* SuperSlabs => (SuperSlabDescriptor*)_superSlabs.Address;

    public nuint MetadataResidentBytes =>
        _tags.ResidentBytes + _slabs.ResidentBytes + _superSlabs.ResidentBytes + Bitmaps.ResidentBytes + Heap.ResidentBytes;

    public bool IsTag(nint address) => _tags.Contains(address);

    public bool IsSlabDescriptor(nint address) => _slabs.Contains(address);

    public bool IsSuperSlabDescriptor(nint address) => _superSlabs.Contains(address);

    /// <summary>How many of those bytes are resident as the system says, or -1 where it does not.</summary>
    public long MetadataBytesSeen()
    {
        long seen = 0;
        foreach (PrefaultedRegion region in (ReadOnlySpan<PrefaultedRegion>)[_tags, _slabs, _superSlabs, Bitmaps, Heap])
        {
            long bytes = ResidentBytes(region.Address, region.ResidentBytes);
            if (bytes < 0)
                return -1;

            seen += bytes;
        }

        return seen;
    }

    /// <summary>How many bytes of a range a write would not fault on, or -1 where the system does not tell.</summary>
    public long ResidentBytes(nint address, nuint bytes)
    {
        long absent = bytes == 0 ? 0 : _os.PagesThatWouldFault(address, bytes);
        return absent < 0 ? -1 : (long)bytes - (absent * (long)_os.Facts.PageBytes);
    }

    public nint AddressOf(int superSlab) => Base + ((nint)superSlab << SlabGeometry.SuperSlabShift);

    public nint AddressOfSlab(int slab) => Base + ((nint)slab << SlabGeometry.SlabShift);

    public bool Contains(nint address) => (nuint)(address - Base) < BlockBytes;

    /// <summary>Makes the descriptors of the SuperSlabs [0, end) resident.</summary>
    public void EnsureTables(int end)
    {
        nuint count = (nuint)end;
        _tags.Ensure(count * SlabGeometry.SlabCount * sizeof(uint));
        _slabs.Ensure(count * SlabGeometry.SlabCount * SlabDescriptorBytes);
        _superSlabs.Ensure(count * SuperSlabDescriptor.SizeInBytes);
    }

    /// <summary>
    /// Gives everything back but the addresses of the metadata heap that were in use: handles and lanes that outlive the memory read it. From
    /// now on it reads as 0, with no memory behind it, until <see cref="Remains"/> has so many younger ones. A call that throws changes
    /// nothing that another one could not finish.
    /// </summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void DisposeButHeap()
    {
        if (_released)
            return;

        nint kept = Heap.Address;
        nuint keptBytes = Heap.ResidentBytes;
        nint tail = kept + (nint)keptBytes;
        nuint tailBytes = TotalBytes - (nuint)(tail - Base);
        _os.Discard(kept, keptBytes);
        if (!_headReleased)
        {
            _isWhole = !_os.TryReleasePart(Base, (nuint)(kept - Base));
            _headReleased = true;
        }

        if (!_tailReleased && tailBytes != 0)
            _os.TryReleasePart(tail, tailBytes);

        _tailReleased = true;
        _released = true;
        Remains.Add(_isWhole ? Base : kept, _isWhole ? TotalBytes : keptBytes);
    }

    public void Dispose()
    {
        if (!_released)
        {
            _os.Release(Base, TotalBytes);
            _released = true;
        }
    }

    private static nuint Take(VirtualMemory os, nuint bytes, out nint address)
    {
        if (bytes != 0)
        {
            if (bytes % SlabGeometry.SuperSlabBytes != 0 || bytes < MinimumBytes)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(bytes), bytes, $"A reservation of {bytes} bytes was asked for; it must be a multiple of 2 MiB and at least {Sizes.Text(MinimumBytes)}.");
            }

            if (os.TryReserve(bytes, SlabGeometry.SuperSlabBytes, out address))
                return bytes;

            throw new EngineOutOfMemoryException(
                $"The system refused {Sizes.Text(bytes)} of address space; a smaller EngineMemoryOptions.ReservationBytes, or 0 for an automatic one, may fit.");
        }

        for (nuint size = DefaultBytes; size >= MinimumBytes; size /= 2)
        {
            if (os.TryReserve(size, SlabGeometry.SuperSlabBytes, out address))
                return size;
        }

        throw new EngineOutOfMemoryException(
            $"The system refused even {Sizes.Text(MinimumBytes)} of address space; is there a limit on it (ulimit -v, a container)?");
    }
}

/// <summary>
/// Sizes of the heap's two units. A SuperSlab is 2 MiB, aligned to 2 MiB: the unit that is committed, prefaulted, handed out and given
/// back, and one huge page. A slab is 64 KiB of a SuperSlab.
/// </summary>
internal static class SlabGeometry
{
    public const int SuperSlabShift = 21;
    public const nuint SuperSlabBytes = 1u << SuperSlabShift;
    public const int SlabShift = 16;
    public const nuint SlabBytes = 1u << SlabShift;

    /// <summary>Slabs of a SuperSlab.</summary>
    public const int SlabCount = 1 << (SuperSlabShift - SlabShift);

    /// <summary>The index that stands for no SuperSlab and no slab in every list.</summary>
    public const int None = -1;
}

/// <summary>
/// Describes a SuperSlab. Descriptors stand in a table beside the SuperSlabs, never inside them, so that all 2 MiB belong to the owner
/// and a run of SuperSlabs is one unbroken range.
///
/// Equations that hold while an arena owns the SuperSlab:
///   bit i of FreeSlabs is set     &lt;=&gt;  slab i belongs to no slab run (its tag is 0)
///   LongestFreeRun                 =   the longest run of ones in FreeSlabs
///   RunLength &gt; 1                 =&gt;  FreeSlabs is 0, and the next RunLength-1 SuperSlabs belong to the same extent
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = SizeInBytes)]
internal struct SuperSlabDescriptor
{
    public const int SizeInBytes = 64;

    /// <summary>The owner's tag (see <see cref="Reservation.Tags"/>) with a class of 0, or 0 where the pool owns it.</summary>
    public uint OwnerTag;

    public uint FreeSlabs;

    /// <summary>SuperSlabs of the extent that begins here; 1 where the SuperSlab is divided in slabs; 0 inside an extent.</summary>
    public int RunLength;

    public int LongestFreeRun;

    /// <summary>Neighbours in the owner's list of SuperSlabs with the same <see cref="LongestFreeRun"/>.</summary>
    public int PreviousByRun;

    public int NextByRun;

    /// <summary>Neighbours in the owner's list of all its SuperSlabs.</summary>
    public int PreviousOwned;

    public int NextOwned;

    /// <summary>A prewarm promised it to its arena, to be divided as needed: it stays when its slabs are all free.</summary>
    public bool IsPromised;

    /// <summary>The kind of the pages that were put behind it last; it outlives owners.</summary>
    public PageKind Pages;
}

/// <summary>
/// What is left of the reservations of disposed memories: address space that reads as 0, for handles and lanes that outlived them. The last
/// few are kept, process-wide. They go by the system's own functions: those of the memory's native context may be gone.
/// </summary>
internal static class Remains
{
    /// <summary>A program has one memory, and tests have some at a time; what outlives its memory is used soon after or never.</summary>
    public const int Most = 16;

    private static readonly Lock s_lock = new();
    private static readonly Queue<(nint Address, nuint Bytes)> s_kept = [];
    private static VirtualMemory? s_os;

    /// <summary>Keeps what is left of a reservation, and gives back the oldest beyond <see cref="Most"/>.</summary>
    public static void Add(nint address, nuint bytes)
    {
        lock (s_lock)
        {
            s_kept.Enqueue((address, bytes));
            try
            {
                while (s_kept.Count > Most)
                {
                    (nint oldest, nuint length) = s_kept.Peek();
                    s_os ??= VirtualMemory.Create();
                    s_os.Release(oldest, length);
                    s_kept.Dequeue();
                }
            }
            catch (EngineMemoryException)
            {
                // The next one tries again.
            }
        }
    }
}
