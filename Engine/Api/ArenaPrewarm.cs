using System.Numerics;

namespace SuperSlab;

/// <summary>
/// One prewarm of a long-lived arena. It begins with everything that can fail: room for metadata, the budget, bitmaps,
/// and SuperSlabs, which it claims and makes resident together. Claimed memory is not the arena's yet, so a failure
/// returns it unseen by threads that allocate meanwhile. Then it hands all to the arena, which cannot fail.
/// </summary>
internal sealed class ArenaPrewarm(
    Reservation reservation, ArenaSlabs slabs, ArenaCaches caches, SuperSlabPool pool, uint tag)
{
    private readonly List<Carved> _extents = [];
    private readonly List<Carved> _runs = [];
    private readonly SlabPacking _packing = new();
    private long _dividedSlabs;
    private int _longestDivided = 1;
    private int _spare;
    private int _together;

    /// <summary>The slabs of a divided SuperSlab that are used for certain: any order of runs of up to N slabs leaves
    /// at most N - 1 unused.</summary>
    private int UsableSlabs => SlabGeometry.SlabCount + 1 - _longestDivided;

    /// <summary>Prewarms blocks, each size's by itself, or SuperSlabs in which all of them live together.</summary>
    /// <returns>SuperSlabs that the arena gained.</returns>
    public int Run(
        ReadOnlySpan<BlockCount> blocks, int spareSuperSlabs, int together, int threads, bool carve, PrefaultTask task)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        BlockCount[] ordered = Ordered(blocks, threads);
        _together = together;
        _spare = spareSuperSlabs;
        nuint promised = PromiseMetadata(ordered, spareSuperSlabs, threads);
        bool isDone = false;
        try
        {
            if (together == 0)
                Plan(ordered, threads, carve);

            int divided = checked((int)DivideRoundingUp(_dividedSlabs, UsableSlabs));
            int gained = Claim(divided, task);
            isDone = true;
            BlockCount most = Array.Find(ordered, block =>
                block.Bytes <= SlabGeometry.SlabBytes && block.Count == ordered.Max(other => other.Count));
            caches.Rehearse(SizeClasses.IndexOf(most.Bytes), most.Count, hasSlabs: divided + _spare + _together != 0);
            return gained;
        }
        finally
        {
            if (!isDone)
                caches.WithdrawMetadata(promised);
        }
    }

    /// <summary>Decides which runs are carved, the longest first, and in which SuperSlab each will lie.</summary>
    private void Plan(BlockCount[] blocks, int threads, bool carve)
    {
        foreach (BlockCount block in blocks)
        {
            if (!carve && !slabs.IsCarvedAlways(block.Bytes))
            {
                _dividedSlabs += slabs.SlabsFor(block.Bytes, block.Count)
                    + slabs.RunsBesides(block.Bytes, block.ThreadsOf(threads));
                _longestDivided = Math.Max(_longestDivided, slabs.SlabsPerRun(block.Bytes));
                continue;
            }

            int length = slabs.RunSlabs(block.Bytes);
            int runs =
                checked((int)((slabs.SlabsFor(block.Bytes, block.Count) / length)
                + slabs.RunsBesides(block.Bytes, block.ThreadsOf(threads))));
            bool isExtent = length > SlabGeometry.SlabCount;
            (isExtent ? _extents : _runs).Add(new Carved(block.Bytes, length, runs));
        }

        _runs.Sort(static (left, right) => right.Slabs.CompareTo(left.Slabs));
        foreach (Carved carved in _runs)
        {
            for (int run = 0; run < carved.Places.Length; run++)
                carved.Places[run] = _packing.Add(carved.Slabs);
        }
    }

    private int Claim(int divided, PrefaultTask task)
    {
        int[] lengths = Lengths(divided);
        int[] needed = Needed(lengths, divided);
        int total = lengths.Sum();
        slabs.Space.AdmitOrReclaim(total);
        bool isClaimed = false;
        try
        {
            foreach (Carved carved in _runs)
                carved.Bitmaps = slabs.AllocateBitmaps(carved.Bytes, carved.Places.Length);

            int[] starts = pool.Claim(lengths, needed, new Demand(tag, Demand.NoClass), task);
            isClaimed = true;
            Give(lengths, needed, starts);
            return total;
        }
        finally
        {
            if (!isClaimed)
            {
                slabs.Space.Budget.Return(total);
                foreach (Carved carved in _runs)
                    slabs.FreeBitmaps(carved.Bytes, carved.Bitmaps);
            }
        }
    }

    /// <summary>
    /// The lengths to claim: extents, longest first, then SuperSlabs for carved runs, then those to divide, the spare
    /// ones last. Where blocks live together, neighbouring SuperSlabs if there is room, so that extents fit.
    /// </summary>
    private int[] Lengths(int divided)
    {
        List<int> lengths = [];
        foreach (Carved carved in _extents)
        {
            int length = (int)DivideRoundingUp(carved.Slabs, SlabGeometry.SlabCount);
            lengths.AddRange(Enumerable.Repeat(length, carved.Places.Length));
        }

        if (_together > 1 && pool.HasRoom(_together))
            lengths.Add(_together);
        else
            divided += _together;

        lengths.AddRange(Enumerable.Repeat(1, checked(_packing.Count + divided + _spare)));
        return [.. lengths];
    }

    /// <summary>The first slabs of each length that the blocks need: all but those behind an extent, behind a
    /// SuperSlab's carved runs, and the last ones of those to divide.</summary>
    private int[] Needed(int[] lengths, int divided)
    {
        int[] needed = Array.ConvertAll(lengths, length => length * SlabGeometry.SlabCount);
        int next = 0;
        foreach (Carved carved in _extents)
        {
            for (int run = 0; run < carved.Places.Length; run++)
                needed[next++] = carved.Slabs;
        }

        next += next < lengths.Length && lengths[next] > 1 ? 1 : 0;
        for (int index = 0; index < _packing.Count; index++)
            needed[next++] -= BitOperations.PopCount(_packing.FreeSlabs(index));

        if (divided != 0)
        {
            long last = _dividedSlabs - ((divided - 1L) * UsableSlabs) + _longestDivided - 1;
            needed[next + divided - 1] = (int)Math.Min(last, SlabGeometry.SlabCount);
        }

        return needed;
    }

    /// <summary>The claimed SuperSlabs become the arena's, and the runs in them their classes'. Cannot fail.</summary>
    private void Give(int[] lengths, int[] present, int[] starts)
    {
        int next = 0;
        foreach (Carved carved in _extents)
        {
            for (int run = 0; run < carved.Places.Length; run++, next++)
            {
                slabs.Space.AdoptClaimedExtent(starts[next], carved.Slabs, present[next]);
                slabs.AddPromised(carved.Bytes, starts[next] * SlabGeometry.SlabCount, carved.Slabs, 0);
            }
        }

        if (next < lengths.Length && lengths[next] > 1)
        {
            for (int index = 0; index < _together; index++)
                slabs.Space.AdoptClaimed(starts[next] + index, uint.MaxValue, SlabGeometry.SlabCount, isPromised: true);

            next++;
        }

        ReadOnlySpan<int> singles = starts.AsSpan(next);
        for (int index = 0; index < singles.Length; index++)
        {
            bool isDivided = index >= _packing.Count;
            uint free = isDivided ? uint.MaxValue : _packing.FreeSlabs(index);
            slabs.Space.AdoptClaimed(singles[index], free, present[next + index], isPromised: isDivided);
        }

        foreach (Carved carved in _runs)
        {
            for (int run = 0; run < carved.Places.Length; run++)
            {
                (int superSlab, int slab) = carved.Places[run];
                nint bitmap = carved.Bitmaps.Length == 0 ? 0 : carved.Bitmaps[run];
                slabs.AddPromised(
                    carved.Bytes, (singles[superSlab] * SlabGeometry.SlabCount) + slab, carved.Slabs, bitmap);
            }
        }
    }

    private static long DivideRoundingUp(long value, int divisor) => (value + divisor - 1) / divisor;

    private BlockCount[] Ordered(ReadOnlySpan<BlockCount> blocks, int threads)
    {
        BlockCount[] ordered = blocks.ToArray();
        for (int index = 0; index < ordered.Length; index++)
        {
            BlockCount block = ordered[index];
            if (block.Count < 0 || block.Threads < 0)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(blocks), block, "A prewarm needs counts that are not negative.");
            }

            if ((nuint)block.Count > reservation.BlockBytes / nuint.Max(block.Bytes, 1))
            {
                throw new EngineOutOfMemoryException(
                    $"A prewarm of {Sizes.Count(block.Count, "block", "blocks")} of {Sizes.Text(block.Bytes)} was "
                        + $"asked for, and the reservation has room for {Sizes.Text(reservation.BlockBytes)}.");
            }

            ordered[index] = block.WithCaches(threads);
        }

        Array.Sort(ordered, static (left, right) => right.Bytes.CompareTo(left.Bytes));
        return ordered;
    }

    private nuint PromiseMetadata(BlockCount[] blocks, int spareSuperSlabs, int threads)
    {
        long threadClasses = 0;
        long stockMagazines = 0;
        nuint bitmapBytes = 0;
        foreach (BlockCount block in blocks)
        {
            int users = block.ThreadsOf(threads);
            int sizeClass = SizeClasses.IndexOf(block.Bytes);
            threadClasses += users;
            long underway = ArenaClasses.MagazinesBesides(sizeClass, users);

            // A block for which there is no magazine goes straight to its run, which is slower and takes no memory.
            stockMagazines += StockMagazines(sizeClass, block.Count)
                + (_together == 0 ? underway : Math.Min(underway, 4 * users));
            bitmapBytes += slabs.BitmapBytesFor(block.Bytes, block.Count, slabs.RunsBesides(block.Bytes, users));
        }

        int unknown = spareSuperSlabs + (blocks.Length == 0 ? _together : 0);
        if (unknown != 0)
        {
            // The classes there are unknown: each thread may use all, and bitmaps may be those of the smallest blocks.
            // Stocks do with the magazines that there are.
            threadClasses += (long)threads * (SizeClasses.LastWithinSuperSlab + 1);
            stockMagazines += ArenaClasses.SmallClasses * ArenaClasses.MagazinesBesides(0, threads);
            long runs = (long)unknown * SlabGeometry.SlabCount;
            stockMagazines += runs;
            bitmapBytes += slabs.BitmapBytesFor(1, 0, runs);
        }

        // A thread has a magazine of each class loaded, and needs one more at the moment when it changes them.
        long changing = _together == 0 ? threadClasses : Math.Min(threadClasses, 16L * threads);
        return caches.PromiseMetadata(threads, threadClasses + changing + stockMagazines, bitmapBytes);
    }

    /// <summary>The most full magazines that this number of blocks fills, up to those that a stock may hold.</summary>
    private static long StockMagazines(int sizeClass, long blocks) =>
        Magazine.BlocksOf(sizeClass) is 0 and var none ? none
            : Math.Min(Magazine.MostStocked, blocks / Magazine.BlocksOf(sizeClass));

    /// <summary>The runs of one block size that are made now.</summary>
    private sealed class Carved(nuint bytes, int slabs, int runs)
    {
        public nuint Bytes { get; } = bytes;

        /// <summary>The length of each run.</summary>
        public int Slabs { get; } = slabs;

        /// <summary>Where each lies: the number of a SuperSlab, and of a slab in it. Not used for extents.</summary>
        public (int SuperSlab, int Slab)[] Places { get; } = new (int, int)[runs];

        public nint[] Bitmaps { get; set; } = [];
    }
}

/// <summary>How many blocks of a size are live at the same time.</summary>
/// <param name="Bytes">The size in bytes; it stands for its whole size class.</param>
/// <param name="Count">How many blocks.</param>
/// <param name="Threads">How many threads allocate or free blocks of this class; 0 where all may.</param>
public readonly record struct BlockCount(nuint Bytes, long Count, int Threads = 0)
{
    /// <summary>
    /// Whether <see cref="Count"/> includes the free blocks in thread caches, as a measured peak does.
    /// Default: no, and a prewarm adds them.
    /// </summary>
    public bool IncludesCaches { get; init; }

    /// <summary>Blocks that hold one <typeparamref name="T"/> each.</summary>
    public static BlockCount Of<T>(long count, int threads = 0)
        where T : unmanaged => new((nuint)System.Runtime.CompilerServices.Unsafe.SizeOf<T>(), count, threads);

    /// <summary>Blocks that begin at multiples of <paramref name="alignment"/>.</summary>
    /// <exception cref="ArgumentException">The alignment is not a power of two up to
    /// <see cref="LongLivedArena.MaximumAlignment"/>.</exception>
    public static BlockCount Aligned(nuint bytes, nuint alignment, long count, int threads = 0) =>
        new(LongLivedArena.BlockBytes(bytes, alignment), count, threads);

    /// <summary>The threads that use the blocks, of all that use the arena.</summary>
    internal int ThreadsOf(int threads) => Threads == 0 ? threads : Threads;

    /// <summary>The blocks that must exist, so that no thread waits for those in another's cache.</summary>
    /// <param name="threads">The threads that use the arena.</param>
    internal BlockCount WithCaches(int threads)
    {
        if (IncludesCaches || Count == 0)
            return this;

        long heldBack = (long)ThreadsOf(threads) * SizeClasses.CacheBlocks(SizeClasses.IndexOf(Bytes));
        return this with
        {
            Count = Count > long.MaxValue - heldBack ? long.MaxValue : Count + heldBack,
            IncludesCaches = true
        };
    }
}
