using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Where memory comes from: a sample of the allocations with their call stacks, and which of the sampled blocks live.
/// In fixed memory of the system's allocator, resident from the start.
///
///   | head | filter: a byte by block's hash |
///   | sets of keys | blocks | slabs' lists |   | sites | sites by hash | frames |
/// </summary>
/// <remarks>
/// Each stream of allocations (<see cref="SamplePoint"/>: a thread's in an arena) takes a sample where its bytes reach
/// a threshold; the distance to the next one is exponential, of a given mean. So a block of b bytes is sampled with
/// probability p = 1 - exp(-b / mean), whatever came before, and stands for b / p bytes: sums are unbiased estimates,
/// to whose variance a sample adds weight * (weight - b). (A Poisson process over bytes, as in the heap profilers of
/// tcmalloc and Go.)
/// <para>
/// Samples are rare: they are added and removed under the lock. A free is not: it reads one byte of the filter, and
/// where that is not 0 the keys of two sets, without the lock. The thread that frees a block got its address in an
/// ordered way, so it sees the key. A block's sample goes before another can get the block's memory.
/// </para>
/// <para>
/// Equations, under the lock:
/// <code>
///   _keys[s] != 0   &lt;=&gt;  _blocks[s] is in its slab's list;  s is in one of the two sets of the key
///   filter byte h    =   how many keys have hash h, or 255, where it stays
///   LiveCount        =   keys that are not 0
///   site 0 .. Tags-1 =   by tag, the samples without a call stack: none is known, or there was no room for another
/// </code>
/// </para>
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = HeadBytes)]
internal unsafe struct SampleTables
{
    /// <summary>A deeper stack loses its outermost frames, and a 0 takes their place.</summary>
    public const int MostFrames = 64;

    private const int HeadBytes = 512;
    private const int FilterBytes = 1 << 16;
    private const int Ways = 8;
    private const int SlabLists = 1 << 14;
    private const int FilterFull = byte.MaxValue;

    /// <summary>A distance below each block's size: each is a sample, with probability 1.</summary>
    private const double EveryBlock = 1e-6;
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private int _lock;
    private int _isOn;
    private double _meanBytes;
    private ulong _random;
    private StackWalk _walk;
    private nuint* _keys;
    private SampledBlock* _blocks;
    private SampledSite* _sites;
    private int* _sitesByHash;
    private nuint* _frames;
    private int* _slabs;
    private SampleLimits _limits;
    private SampleCounts _counts;

    /// <summary>Makes tables that sample nothing yet. At level load.</summary>
    /// <param name="limits">Their sizes.</param>
    /// <param name="context">Where the system's functions are found.</param>
    /// <param name="noStacks">Why samples have no call stacks; empty where they have.</param>
    public static SampleTables* Make(in SampleLimits limits, INativeContext context, out string noStacks)
    {
        Debug.Assert(sizeof(SampleTables) == HeadBytes, "the filter is where a free looks for it");
        SampleTables* tables = (SampleTables*)Resident<byte>(HeadBytes + FilterBytes);
        tables->_limits = limits;
        tables->_keys = Resident<nuint>(limits.Blocks);
        tables->_blocks = Resident<SampledBlock>(limits.Blocks);
        tables->_sites = Resident<SampledSite>(limits.Sites);
        tables->_sitesByHash = Resident<int>(2 * limits.Sites);
        tables->_frames = Resident<nuint>(limits.Frames);
        tables->_slabs = Resident<int>(SlabLists);
        tables->_walk = StackWalk.Create(context, out noStacks);
        return tables;
    }

    /// <summary>Frees the tables, of which nobody knows any more.</summary>
    public static void Free(SampleTables* tables, INativeContext context)
    {
        tables->_walk.Free(context);
        NativeMemory.AlignedFree(tables->_keys);
        NativeMemory.AlignedFree(tables->_blocks);
        NativeMemory.AlignedFree(tables->_sites);
        NativeMemory.AlignedFree(tables->_sitesByHash);
        NativeMemory.AlignedFree(tables->_frames);
        NativeMemory.AlignedFree(tables->_slabs);
        NativeMemory.AlignedFree(tables);
    }

    /// <summary>Forgets all samples and begins to take others; false, and nothing is done, if it has begun.</summary>
    /// <param name="tables">Those to begin with.</param>
    /// <param name="meanBytes">Bytes between two samples on average; 1 is each block.</param>
    /// <param name="seed">Where the random distances begin.</param>
    public static bool TryBegin(SampleTables* tables, long meanBytes, ulong seed)
    {
        NativeLock.Enter(&tables->_lock);
        bool begins = tables->_isOn == 0;
        if (begins)
        {
            SampleLimits limits = tables->_limits;
            NativeMemory.Clear(Filter(tables), FilterBytes);
            NativeMemory.Clear(tables->_keys, (nuint)limits.Blocks * (nuint)sizeof(nuint));
            NativeMemory.Clear(tables->_sites, (nuint)limits.Sites * (nuint)sizeof(SampledSite));
            NativeMemory.Clear(tables->_sitesByHash, (nuint)(2 * limits.Sites) * sizeof(int));
            NativeMemory.Clear(tables->_slabs, SlabLists * sizeof(int));
            tables->_counts = new SampleCounts { Sites = ThreadCounters.Tags };
            for (int tag = 0; tag < ThreadCounters.Tags; tag++)
                tables->_sites[tag].Tag = tag;

            tables->_meanBytes = meanBytes > 1 ? meanBytes : EveryBlock;
            tables->_random = seed;
            tables->_isOn = 1;
        }

        NativeLock.Exit(&tables->_lock);
        return begins;
    }

    /// <summary>Takes no more samples. Those that live go with their blocks, as before.</summary>
    public static void End(SampleTables* tables)
    {
        NativeLock.Enter(&tables->_lock);
        tables->_isOn = 0;
        NativeLock.Exit(&tables->_lock);
    }

    /// <summary>Sets whether a stream's next allocation has its first threshold drawn.</summary>
    public static void Arm(SampleTables* tables, SamplePoint* point)
    {
        NativeLock.Enter(&tables->_lock);
        point->Next = tables->_isOn != 0 ? SamplePoint.NotDrawn : SamplePoint.Never;
        NativeLock.Exit(&tables->_lock);
    }

    /// <summary>Notes in the calling thread's slot where its stack lies.</summary>
    public static void FindStack(SampleTables* tables, int slot)
    {
        if (slot == 0)
            return;

        // What is not known is not asked for again.
        (nuint start, nuint end) = tables->_walk.FindStack();
        ThreadSlots.StackOf(slot)[0] = (nint)start;
        ThreadSlots.StackOf(slot)[1] = (nint)nuint.Max(1, end);
    }

    /// <summary>Runs what the hot loop will run, so that nothing is compiled in it. Sampling has not begun.</summary>
    public static void Rehearse(SampleTables* tables)
    {
        const int Rounds = 8;
        const int BlockBytes = 64;
        TryBegin(tables, meanBytes: 1, seed: 0);
        SamplePoint point = new() { Tables = tables };
        for (nuint block = 1; block <= Rounds; block++)
        {
            nuint address = block << SlabGeometry.SlabShift;
            point.AllocatedBytes += BlockBytes;
            Reached(&point, address, BlockBytes, tag: 0);
            if (TryTake(tables, address, out SampledBlock sample))
                Put(tables, address, sample);

            ForgetSlab(tables, address);
        }

        End(tables);
    }

    /// <summary>A stream has reached its threshold with a block, which is a sample, unless none was drawn.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Reached(SamplePoint* point, nuint block, nuint bytes, int tag)
    {
        SampleTables* tables = point->Tables;
        nuint* stack = stackalloc nuint[MostFrames];
        (nuint stackStart, nuint stackEnd) = StackOfThread(tables);
        int frames = tables->_walk.Run(stackStart, stackEnd, stack, MostFrames);
        if (frames == MostFrames)
            stack[MostFrames - 1] = 0;

        NativeLock.Enter(&tables->_lock);
        long begin = point->AllocatedBytes - (long)bytes;
        if (point->Next == SamplePoint.NotDrawn)
            point->Next = begin + Distance(tables);

        if (tables->_isOn == 0)
        {
            point->Next = SamplePoint.Never;
        }
        else if (point->AllocatedBytes >= point->Next)
        {
            Add(tables, block, bytes, SiteOf(tables, stack, frames, tag));
            point->Next = point->AllocatedBytes + Distance(tables);
        }

        NativeLock.Exit(&tables->_lock);
    }

    /// <summary>Takes a block's sample out, if it has one, because the block is freed. Part of the fast path.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Forget(SampleTables* tables, nuint block)
    {
        if (tables != null && Filter(tables)[FilterHash(block)] != 0)
            TryTake(tables, block, out _);
    }

    /// <summary>Takes a block's sample out, for <see cref="Put"/>, or because the block is freed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static bool TryTake(SampleTables* tables, nuint block, out SampledBlock sample)
    {
        Debug.Assert(block != 0, "0 is the key of an empty slot");
        sample = default;
        if (SlotOf(tables, block) < 0)
            return false;

        NativeLock.Enter(&tables->_lock);
        int slot = SlotOf(tables, block);
        if (slot >= 0)
        {
            sample = tables->_blocks[slot];
            Remove(tables, slot);
        }

        NativeLock.Exit(&tables->_lock);
        return slot >= 0;
    }

    /// <summary>Puts back what was taken out: the block lives on.</summary>
    public static void Put(SampleTables* tables, nuint block, in SampledBlock sample)
    {
        NativeLock.Enter(&tables->_lock);
        Insert(tables, block, sample);
        NativeLock.Exit(&tables->_lock);
    }

    /// <summary>Takes out all samples of blocks that begin in a slab, which is thrown away.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ForgetSlab(SampleTables* tables, nuint start)
    {
        int* list = SlabOf(tables, start);
        if (Volatile.Read(ref *list) == 0)
            return;

        NativeLock.Enter(&tables->_lock);
        for (int next = *list; next != 0;)
        {
            int slot = next - 1;
            next = tables->_blocks[slot].NextInSlab;
            if (tables->_keys[slot] - start < SlabGeometry.SlabBytes)
                Remove(tables, slot);
        }

        NativeLock.Exit(&tables->_lock);
    }

    /// <summary>Takes out all samples of an arena's blocks, which are thrown away. Cold.</summary>
    public static void ForgetArena(SampleTables* tables, Reservation reservation, uint arenaTag)
    {
        NativeLock.Enter(&tables->_lock);
        for (int slot = 0; slot < tables->_limits.Blocks; slot++)
        {
            nuint key = tables->_keys[slot];
            if (key == 0)
                continue;

            nint slab = ((nint)key - reservation.Base) >> SlabGeometry.SlabShift;
            if ((reservation.Tags[slab] & ~(uint)byte.MaxValue) == arenaTag)
                Remove(tables, slot);
        }

        NativeLock.Exit(&tables->_lock);
    }

    /// <summary>Copies what was sampled. Allocates managed memory first; the copy itself is short.</summary>
    public static SampleReading Read(SampleTables* tables)
    {
        SampleLimits limits = tables->_limits;
        SampledSite[] sites = new SampledSite[limits.Sites];
        nuint[] frames = new nuint[limits.Frames];
        nuint[] keys = new nuint[limits.Blocks];
        SampledBlock[] blocks = new SampledBlock[limits.Blocks];
        NativeLock.Enter(&tables->_lock);
        SampleCounts counts = tables->_counts;
        new Span<SampledSite>(tables->_sites, counts.Sites).CopyTo(sites);
        new Span<nuint>(tables->_frames, counts.Frames).CopyTo(frames);
        new Span<nuint>(tables->_keys, keys.Length).CopyTo(keys);
        new Span<SampledBlock>(tables->_blocks, blocks.Length).CopyTo(blocks);
        NativeLock.Exit(&tables->_lock);
        Array.Resize(ref sites, counts.Sites);
        SampledBlock[] live = [.. blocks.Where((_, slot) => keys[slot] != 0)];
        return new SampleReading((long)Math.Max(1, tables->_meanBytes), counts, sites, frames, live);
    }

    private static byte* Filter(SampleTables* tables) => (byte*)(tables + 1);

    /// <summary>The byte of the filter that counts a block.</summary>
    public static nuint FilterHash(nuint block) => (nuint)((block >> 4) * Golden >> 48);

    private static int* SlabOf(SampleTables* tables, nuint block) =>
        tables->_slabs + ((block >> SlabGeometry.SlabShift) * Golden >> 50);

    /// <summary>The first slots of the two sets that may hold a block.</summary>
    private static (int First, int Second) SetsOf(SampleTables* tables, nuint block)
    {
        ulong hash = (block >> 4) * Golden;
        uint sets = (uint)(tables->_limits.Blocks / Ways);
        return ((int)((uint)(hash >> 40) % sets) * Ways, (int)((uint)(hash >> 20) % sets) * Ways);
    }

    /// <summary>A block's slot, or -1.</summary>
    private static int SlotOf(SampleTables* tables, nuint block) => SlotOf(tables, block, SetsOf(tables, block));

    /// <summary>The slot of a key in two sets, 0 for an empty one; or -1.</summary>
    private static int SlotOf(SampleTables* tables, nuint key, (int First, int Second) sets)
    {
        int way = new ReadOnlySpan<nuint>(tables->_keys + sets.First, Ways).IndexOf(key);
        if (way >= 0)
            return sets.First + way;

        way = new ReadOnlySpan<nuint>(tables->_keys + sets.Second, Ways).IndexOf(key);
        return way < 0 ? -1 : sets.Second + way;
    }

    private static (nuint Start, nuint End) StackOfThread(SampleTables* tables)
    {
        int slot = ThreadSlots.Current;
        if (slot == 0)
            return default;

        nuint* stack = (nuint*)ThreadSlots.StackOf(slot);
        if (stack[1] == 0)
            FindStack(tables, slot);

        return (stack[0], stack[1]);
    }

    /// <summary>How many bytes it is to the next sample, at least 1. Under the lock.</summary>
    private static long Distance(SampleTables* tables)
    {
        // SplitMix64 (G. Steele, D. Lea, C. Flood), of which the upper 53 bits are a number in [0, 1).
        tables->_random += Golden;
        ulong mixed = tables->_random;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        double unit = ((mixed ^ (mixed >> 31)) >> 11) * (1.0 / (1UL << 53));
        return (long)Math.Clamp(Math.Ceiling(-Math.Log(1 - unit) * tables->_meanBytes), 1, long.MaxValue / 4);
    }

    private static void Add(SampleTables* tables, nuint block, nuint bytes, int site)
    {
        long weight = (long)Math.Round(bytes / (1 - Math.Exp(-(bytes / tables->_meanBytes))));
        SampledSite* at = tables->_sites + site;
        at->Samples++;
        at->Bytes += weight;
        at->Variance += weight * (double)(weight - (long)bytes);
        tables->_counts.Samples++;
        Insert(tables, block, new SampledBlock { Site = site, Bytes = (long)bytes, Weight = weight });
    }

    private static void Insert(SampleTables* tables, nuint block, in SampledBlock sample)
    {
        Debug.Assert(SlotOf(tables, block) < 0, "a block that was freed has left no sample behind");
        int slot = SlotOf(tables, 0, SetsOf(tables, block));
        if (slot < 0)
        {
            tables->_counts.UnkeptBlocks++;
            return;
        }

        int* list = SlabOf(tables, block);
        SampledBlock* placed = tables->_blocks + slot;
        *placed = sample;
        placed->NextInSlab = *list;
        placed->PreviousInSlab = 0;
        if (*list != 0)
            tables->_blocks[*list - 1].PreviousInSlab = slot + 1;

        *list = slot + 1;
        byte* filter = Filter(tables) + FilterHash(block);
        *filter = (byte)Math.Min(FilterFull, *filter + 1);
        tables->_counts.LiveCount++;
        Volatile.Write(ref tables->_keys[slot], block);
    }

    private static void Remove(SampleTables* tables, int slot)
    {
        nuint block = tables->_keys[slot];
        SampledBlock* removed = tables->_blocks + slot;
        if (removed->NextInSlab != 0)
            tables->_blocks[removed->NextInSlab - 1].PreviousInSlab = removed->PreviousInSlab;

        if (removed->PreviousInSlab != 0)
            tables->_blocks[removed->PreviousInSlab - 1].NextInSlab = removed->NextInSlab;
        else
            *SlabOf(tables, block) = removed->NextInSlab;

        byte* filter = Filter(tables) + FilterHash(block);
        if (*filter != FilterFull)
            --*filter;

        tables->_counts.LiveCount--;
        Volatile.Write(ref tables->_keys[slot], 0);
    }

    /// <summary>The site of a call stack and a tag, made where it is new.</summary>
    private static int SiteOf(SampleTables* tables, nuint* stack, int frames, int tag)
    {
        if (frames == 0)
            return tag;

        ulong hash = (ulong)tag;
        for (int frame = 0; frame < frames; frame++)
            hash = (hash ^ stack[frame]) * Golden;

        uint places = (uint)(2 * tables->_limits.Sites);
        uint place = (uint)(hash >> 32) % places;
        for (; tables->_sitesByHash[place] != 0; place = place + 1 == places ? 0 : place + 1)
        {
            int known = tables->_sitesByHash[place] - 1;
            SampledSite* site = tables->_sites + known;
            ReadOnlySpan<nuint> its = new(tables->_frames + site->FirstFrame, site->FrameCount);
            if (site->Tag == tag && its.SequenceEqual(new ReadOnlySpan<nuint>(stack, frames)))
                return known;
        }

        ref SampleCounts counts = ref tables->_counts;
        if (counts.Sites == tables->_limits.Sites || counts.Frames + frames > tables->_limits.Frames)
        {
            counts.UnkeptStacks++;
            return tag;
        }

        new Span<nuint>(stack, frames).CopyTo(new Span<nuint>(tables->_frames + counts.Frames, frames));
        tables->_sites[counts.Sites] =
            new SampledSite { Tag = tag, FirstFrame = counts.Frames, FrameCount = frames };
        counts.Frames += frames;
        tables->_sitesByHash[place] = ++counts.Sites;
        return counts.Sites - 1;
    }

    private static T* Resident<T>(int length)
        where T : unmanaged
    {
        nuint bytes = (nuint)length * (nuint)sizeof(T);
        T* array = (T*)NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Fill(array, bytes, 0xFF);
        NativeMemory.Clear(array, bytes);
        return array;
    }
}
