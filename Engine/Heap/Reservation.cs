using System.Diagnostics;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// The one large range of address space taken at start-up, with the metadata at its end.
///
///   Base                            Base + BlockBytes                                   Base + TotalBytes
///   | SuperSlab 0, SuperSlab 1, ... | tags | slabs | SuperSlabs | pool bitmaps | metadata heap |
///   |                               |&lt;---- descriptors, prefaulted as far as used -----&gt;|
///
/// Every block lies inside, so one subtraction, one compare and one shift say whether an address is a block's, and in
/// which slab:  slab = (address - Base) &gt;&gt; 16,   SuperSlab = (address - Base) &gt;&gt; 21.
/// SuperSlabs are handed out from the lowest address up, so the tables are used, and resident, from their beginning.
/// </summary>
internal sealed unsafe class Reservation : IDisposable
{
    public const int SlabDescriptorBytes = 64;
    public static readonly nuint MinimumBytes = 64 * Sizes.MiB;

    /// <summary>
    /// Where address space is limited, an automatic reservation takes one part in so many of what is left beyond <see
    /// cref="RuntimeBytes"/>: the runtime's heap, its code and each thread's stack need the rest.
    /// </summary>
    private const int ShareOfRest = 4;
    private const nuint RuntimeBytes = 512 * Sizes.MiB;

    private static readonly nuint DefaultBytes = sizeof(nuint) == 8 ? unchecked((nuint)(64UL << 30)) : 512 * Sizes.MiB;

    private readonly VirtualMemory _os;
    private readonly PrefaultedRegion _tags;
    private readonly PrefaultedRegion _slabs;
    private readonly PrefaultedRegion _superSlabs;
    private readonly WordLock _keeping = new();
    private int _keepers;
    private bool _released;
    private bool _headReleased;
    private bool _tailReleased;
    private bool _isWhole = true;

    /// <param name="os">The source of address space.</param>
    /// <param name="prefaulter">Makes metadata resident.</param>
    /// <param name="bytes">
    /// A multiple of 2 MiB of at least <see cref="MinimumBytes"/>; 0 takes 64 GiB, or less where
    /// address space is limited.
    /// </param>
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
            Debug.Assert((nuint)Base % SlabGeometry.SuperSlabBytes == 0, "SuperSlabs are aligned to their size");

            // A wild address may ask for any tag: the whole table is readable, and reads as 0 where nothing was handed
            // out.
            _tags.CommitAll(os);
            Bitmaps.Ensure(Bitmaps.LimitBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a reservation may have this size, which is not the automatic one.</summary>
    public static bool IsPossible(nuint bytes) => bytes % SlabGeometry.SuperSlabBytes == 0 && bytes >= MinimumBytes;

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
    /// One word a slab: (arena number &lt;&lt; 8) | class, or 0 where no live block can begin. A run of one block has
    /// its tag in the first slab only.
    /// </summary>
    public uint* Tags => (uint*)_tags.Address;

    /// <summary>64 bytes a slab; the layer above defines them.</summary>
    public byte* SlabDescriptors => (byte*)_slabs.Address;

    public SuperSlabDescriptor* SuperSlabs => (SuperSlabDescriptor*)_superSlabs.Address;

    public nuint MetadataResidentBytes =>
        _tags.ResidentBytes + _slabs.ResidentBytes + _superSlabs.ResidentBytes + Bitmaps.ResidentBytes
        + Heap.ResidentBytes;

    /// <summary>Whether an address is in a part of a table that has been resident since before a time.</summary>
    public bool IsResidentMetadata(nint address, long time) =>
        Array.Exists(Regions, region => region.IsResidentSince(address, time));

    private PrefaultedRegion[] Regions => [_tags, _slabs, _superSlabs, Bitmaps, Heap];

    public bool IsTag(nint address) => _tags.Contains(address);

    public bool IsSlabDescriptor(nint address) => _slabs.Contains(address);

    public bool IsSuperSlabDescriptor(nint address) => _superSlabs.Contains(address);

    /// <summary>The metadata bytes that the system says are resident, or -1 where it does not tell.</summary>
    public long MetadataBytesSeen()
    {
        long seen = 0;
        foreach (PrefaultedRegion region in Regions)
        {
            long bytes = ResidentBytes(region.Address, region.ResidentBytes);
            if (bytes < 0)
                return -1;

            seen += bytes;
        }

        return seen;
    }

    /// <summary>Bytes of a range on which a write would not fault, or -1 where the system does not tell.</summary>
    public long ResidentBytes(nint address, nuint bytes)
    {
        long absent = bytes == 0 ? 0 : _os.PagesThatWouldFault(address, bytes);
        return absent < 0 ? -1 : (long)bytes - (absent * (long)_os.Facts.PageBytes);
    }

    public nint AddressOf(int superSlab) => Base + ((nint)superSlab << SlabGeometry.SuperSlabShift);

    public nint AddressOfSlab(int slab) => Base + ((nint)slab << SlabGeometry.SlabShift);

    public bool Contains(nint address) => (nuint)(address - Base) < BlockBytes;

    /// <summary>Keeps the tables where they are, until as many calls of <see cref="LetGo"/>.</summary>
    public void Keep(Prefaulter keeper)
    {
        using (_keeping.Hold())
        {
            if (_keepers++ == 0)
            {
                foreach (PrefaultedRegion region in Regions)
                    region.Keep(keeper);
            }
        }
    }

    /// <summary>Ends a <see cref="Keep"/>.</summary>
    public void LetGo()
    {
        using (_keeping.Hold())
        {
            if (--_keepers == 0)
            {
                foreach (PrefaultedRegion region in Regions)
                    region.LetGo(_os);
            }
        }
    }

    /// <summary>Makes the descriptors of the SuperSlabs [0, end) resident.</summary>
    public void EnsureTables(int end)
    {
        nuint count = (nuint)end;
        _tags.Ensure(count * SlabGeometry.SlabCount * sizeof(uint));
        _slabs.Ensure(count * SlabGeometry.SlabCount * SlabDescriptorBytes);
        _superSlabs.Ensure(count * SuperSlabDescriptor.SizeInBytes);
    }

    /// <summary>
    /// Gives back everything except the used addresses of the metadata heap, which handles and lanes that outlive the
    /// memory read. Those read as 0 from now on, without memory behind them, until <see cref="Remains"/> drops them.
    /// After an exception a second call finishes the work.
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
            if (!IsPossible(bytes))
            {
                throw new ArgumentOutOfRangeException(
                    nameof(bytes), bytes, $"A reservation of {bytes} bytes was asked for; "
                    + $"it must be a multiple of 2 MiB and at least {Sizes.Text(MinimumBytes)}.");
            }

            if (os.TryReserve(bytes, SlabGeometry.SuperSlabBytes, out address))
                return bytes;

            throw new EngineOutOfMemoryException(
                $"The system refused {Sizes.Text(bytes)} of address space; "
                + "a smaller EngineMemoryOptions.ReservationBytes (ENGINE_MEMORY_RESERVATION), or 0 for an automatic "
                + "one, may fit.");
        }

        if (TryTakeShare(os, out nuint taken, out address))
            return taken;

        throw new EngineOutOfMemoryException(
            $"The system refused even {Sizes.Text(MinimumBytes)} of address space; "
            + "is there a limit on it (ulimit -v, a container)?");
    }

    /// <summary>Takes the automatic size.</summary>
    private static bool TryTakeShare(VirtualMemory os, out nuint size, out nint address)
    {
        nuint left = os.AddressSpaceLeftBytes;
        size = ShareOf(left > RuntimeBytes ? left - RuntimeBytes : 0);
        if (os.TryReserve(size, SlabGeometry.SuperSlabBytes, out address))
            return true;

        // There is a limit that the system does not tell: what fits is some measure of what is left.
        for (size /= 2; size >= MinimumBytes; size /= 2)
        {
            if (!os.TryReserve(size, SlabGeometry.SuperSlabBytes, out address))
                continue;

            nuint share = ShareOf(size);
            if (share == size)
                return true;

            os.Release(address, size);
            size = share;
            return os.TryReserve(size, SlabGeometry.SuperSlabBytes, out address);
        }

        return false;
    }

    /// <summary>The share that a reservation may take of some address space: a power of two, or the least.</summary>
    private static nuint ShareOf(nuint bytes)
    {
        nuint share = DefaultBytes;
        while (share > MinimumBytes && share > bytes / ShareOfRest)
            share /= 2;

        return share;
    }
}

/// <summary>
/// The heap's two units. A SuperSlab is 2 MiB, aligned to 2 MiB: the unit committed, prefaulted, handed out and given
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

    /// <summary>No SuperSlab, no slab: the end of every list.</summary>
    public const int None = -1;
}

/// <summary>
/// Describes a SuperSlab. Descriptors stand in a table, never in the SuperSlabs: all 2 MiB are the owner's, and
/// neighbouring SuperSlabs are one unbroken range.
///
/// Equations that hold while an arena owns the SuperSlab:
///   bit i of FreeSlabs is set     &lt;=&gt;  slab i belongs to no slab run (its tag is 0)
///   LongestFreeRun                 =   the longest run of ones in FreeSlabs
///   bit i of AbsentSlabs is set    =&gt;  bit i of FreeSlabs is set: the slab has no memory until it is taken
///   RunLength &gt; 1                 =&gt;  FreeSlabs is 0; the next RunLength - 1 SuperSlabs are the same extent's
///   an extent's length             =   RunLength SuperSlabs, and some first slabs of the one behind them, if any
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = SizeInBytes)]
internal struct SuperSlabDescriptor
{
    public const int SizeInBytes = 64;

    /// <summary>The owner's tag (<see cref="Reservation.Tags"/>) with class 0, or 0 where the pool owns it.</summary>
    public uint OwnerTag;
    public uint FreeSlabs;

    /// <summary>Free slabs whose memory went back to the system, or never came.</summary>
    public uint AbsentSlabs;

    /// <summary>Those of them that have memory behind some pages, for the next trim.</summary>
    public uint PartialSlabs;

    /// <summary>Whole SuperSlabs of the extent that begins here; 1 for one with slabs; 0 inside an extent.</summary>
    public int RunLength;
    public int LongestFreeRun;

    /// <summary>Neighbours in the owner's list of SuperSlabs with the same <see cref="LongestFreeRun"/>.</summary>
    public int PreviousByRun;
    public int NextByRun;

    /// <summary>Neighbours in the owner's list of all its SuperSlabs.</summary>
    public int PreviousOwned;
    public int NextOwned;

    /// <summary>A prewarm promised it to its arena, for any class: it stays when all its slabs are free.</summary>
    public bool IsPromised;

    /// <summary>A prewarm gave it to its arena, whatever lies there: its free slabs keep their memory.</summary>
    public bool IsPrewarmed;

    /// <summary>The kind of the pages put behind it last; it outlives owners.</summary>
    public PageKind Pages;

    /// <summary>When they were put there, as a timestamp of <see cref="Stopwatch"/>; it outlives owners.</summary>
    public long ReadyAt;

    /// <summary>The description for another owner: only what is known of the pages stays.</summary>
    public readonly SuperSlabDescriptor OfOwner(uint ownerTag) =>
        new() { OwnerTag = ownerTag, Pages = Pages, ReadyAt = ReadyAt };
}

/// <summary>
/// Doubly linked lists through the descriptors of a table, 64 bytes each. A descriptor has the index of the previous
/// one and, in the next word, that of the next. Under the lock of the list.
/// </summary>
/// <remarks>A caller gives the list's first index, and the address of descriptor 0's previous word.</remarks>
internal static unsafe class DescriptorList
{
    public static void Push(int* links, ref int first, int index)
    {
        Debug.Assert(first == SlabGeometry.None || *Of(links, first) == SlabGeometry.None, "none lies before it");
        int* link = Of(links, index);
        link[0] = SlabGeometry.None;
        link[1] = first;
        if (first != SlabGeometry.None)
            *Of(links, first) = index;

        first = index;
    }

    public static void Remove(int* links, ref int first, int index)
    {
        int previous = Of(links, index)[0];
        int next = Of(links, index)[1];
        Debug.Assert(next == SlabGeometry.None || *Of(links, next) == index, "the next one points back");
        Debug.Assert((previous < 0 ? first : Of(links, previous)[1]) == index, "the previous one points here");
        if (previous == SlabGeometry.None)
            first = next;
        else
            Of(links, previous)[1] = next;

        if (next != SlabGeometry.None)
            *Of(links, next) = previous;
    }

    private static int* Of(int* links, int index) =>
        links + ((nint)index * (SuperSlabDescriptor.SizeInBytes / sizeof(int)));
}

/// <summary>
/// The last few remains of reservations of disposed memories: address space that reads as 0, for handles and lanes that
/// outlive them. Process-wide. The system's own functions release them: a memory's native context may be gone.
/// </summary>
internal static class Remains
{
    /// <summary>A program has one memory, tests some; what outlives its memory is used soon after or never.</summary>
    public const int Most = 16;

    private static readonly Lock s_lock = new();
    private static readonly Queue<(nint Address, nuint Bytes)> s_kept = [];
    private static VirtualMemory? s_os;

    /// <summary>Keeps the remains of a reservation, and releases the oldest beyond <see cref="Most"/>.</summary>
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
                // The next call tries again.
            }
        }
    }
}
