using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Goes through all layers and writes a row for each thing it finds, as far as the layout has room, and counts them. It follows no
/// pointer and no link that other threads may change: it reads tables that stay where they are while the arenas are shown to it.
/// </summary>
internal unsafe ref struct SnapshotWriter(EngineMemory memory, Span<byte> destination, SnapshotLayout layout) : IArenaReader
{
    private readonly Span<byte> _destination = destination;
    private int _arenas;
    private int _classes;
    private int _superSlabs;
    private int _lanes;
    private int _threadCaches;
    private int _tags;

    /// <summary>How many rows of each kind there were, and what they take.</summary>
    public readonly SnapshotLayout Found => SnapshotLayout.For(_arenas, _classes, _superSlabs, _lanes, _threadCaches, _tags);

    public void Read(IArena arena, int number)
    {
        if (arena is LongLivedArena longLived)
            WriteLongLived(longLived, number);
        else if (arena is FrameArena frame)
            WriteFrame(frame, number);
    }

    /// <summary>The SuperSlabs that were ever used.</summary>
    public void WriteSuperSlabs()
    {
        int end = memory.Pool.End;
        Extent extent = default;
        for (int index = 0; index < end; index++)
        {
            if (_superSlabs >= layout.SuperSlabs.Count)
            {
                _superSlabs++;
                continue;
            }

            ref SnapshotSuperSlab row = ref Row<SnapshotSuperSlab>(layout.SuperSlabs, _superSlabs++);
            SuperSlabDescriptor descriptor = memory.Reservation.SuperSlabs[index];
            (bool isFree, bool isReady) = memory.Pool.StateOf(index);
            bool isOwned = !isFree && isReady && descriptor.OwnerTag != 0;
            row = new SnapshotSuperSlab
            {
                Index = index,
                Pages = descriptor.Pages,
                Arena = isOwned ? (int)(descriptor.OwnerTag >> ArenaRegistry.TagShift) : 0,
                State = !isOwned ? isFree && isReady ? SnapshotState.Ready : SnapshotState.Free
                    : descriptor.RunLength == 1 ? SnapshotState.Owned
                    : SnapshotState.Extent,
            };
            if (isOwned)
                WriteSlabs(ref row, descriptor, ref extent);
        }
    }

    /// <summary>The tags, where they are counted.</summary>
    public void WriteTags()
    {
        Span<CounterCell> sums = stackalloc CounterCell[AllocationTag.Count];
        if (!memory.TryReadCounters(sums))
            return;

        for (int tag = 0; tag < sums.Length; tag++)
        {
            AllocationTag? registered = AllocationTag.Of(tag);
            CounterCell sum = sums[tag];
            Add(layout.Tags, ref _tags, new SnapshotTag(
                tag, new SnapshotName(registered?.Name ?? ""), registered?.BudgetBytes ?? 0, sum.Allocations, sum.AllocatedBytes, sum.Frees, sum.FreedBytes));
        }
    }

    private void WriteLongLived(LongLivedArena arena, int number)
    {
        nuint live = 0;
        nuint cachedBytes = 0;
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ClassState state = arena.Slabs.Total(sizeClass);
            if (state.Runs == 0)
                continue;

            long cached = arena.Caches.CachedBlocks(sizeClass);
            long held = Math.Max(0, state.BlocksOut - cached);
            nuint waste = state.BlockBytes == 0 ? 0
                : (nuint)state.Runs * (((nuint)state.SlabsPerRun << SlabGeometry.SlabShift) - nuint.Min((nuint)state.SlabsPerRun << SlabGeometry.SlabShift, (nuint)state.Capacity * state.BlockBytes));
            live += (nuint)held * state.BlockBytes;
            cachedBytes += (nuint)cached * state.BlockBytes;
            long free = Math.Max(0, ((long)state.Runs * state.Capacity) - state.BlocksOut);
            Add(layout.Classes, ref _classes, new SnapshotClass(number, state.BlockBytes, held, free, cached, waste));
        }

        WriteThreadCaches(arena, number);
        ArenaBudget budget = arena.Budget;
        Add(layout.Arenas, ref _arenas, new SnapshotArena(
            number,
            new SnapshotName(arena.Name),
            false,
            arena.SuperSlabCount,
            live + arena.Slabs.HugeBytesOut(),
            cachedBytes,
            (nuint)arena.PeakSuperSlabCount << SlabGeometry.SuperSlabShift,
            budget.SoftBytes,
            budget.HardBytes,
            arena.SoftOverruns,
            arena.HardOverruns,
            0));
    }

    private void WriteThreadCaches(LongLivedArena arena, int number)
    {
        for (ThreadCache* cache = arena.Caches.FirstAttached; cache != null; cache = cache->NextAttached)
        {
            long blocks = 0;
            nuint bytes = 0;
            for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
            {
                long cached = arena.Caches.CachedBlocks(cache, sizeClass);
                blocks += cached;
                bytes += (nuint)cached * SizeClasses.BlockBytes(sizeClass);
            }

            Thread? thread = ThreadSlots.OwnerOf(cache->Slot);
            Add(layout.ThreadCaches, ref _threadCaches, new SnapshotThreadCache(
                number, cache->Slot, new SnapshotName(thread?.Name ?? ""), thread?.ManagedThreadId ?? 0, thread is not { IsAlive: true }, blocks, bytes));
        }
    }

    private void WriteFrame(FrameArena arena, int number)
    {
        nuint used = 0;
        ReadOnlySpan<LaneState> lanes = arena.LaneStates;
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            LaneState state = lanes[lane];
            nuint usedBytes = state.UsedBytes;
            used += usedBytes;
            Add(layout.Lanes, ref _lanes, new SnapshotLane(number, lane, arena.LaneBytes, usedBytes, nuint.Max(state.HighWaterBytes, usedBytes)));
        }

        nuint held = (nuint)arena.SuperSlabCount << SlabGeometry.SuperSlabShift;
        Add(layout.Arenas, ref _arenas, new SnapshotArena(
            number, new SnapshotName(arena.Name), true, arena.SuperSlabCount, used, 0, held, 0, 0, 0, 0, arena.OverflowCount));
    }

    /// <summary>
    /// What stands in an owned SuperSlab's slabs. A run of one block is marked in its first slab only; the slabs behind it that are neither
    /// free nor marked belong to it.
    /// </summary>
    private readonly void WriteSlabs(ref SnapshotSuperSlab row, in SuperSlabDescriptor descriptor, ref Extent extent)
    {
        int first = row.Index * SlabGeometry.SlabCount;
        uint* tags = memory.Reservation.Tags + first;
        SlabRun* runs = (SlabRun*)memory.Reservation.SlabDescriptors + first;
        if (row.State == SnapshotState.Extent)
        {
            if (descriptor.RunLength != 0)
            {
                // Lanes have no tag.
                extent = new Extent(tags[0] == 0 || runs[0].FreeBlocks == 0, tags[0] == 0 ? -1 : ArenaClasses.SizeClassOfTag(tags[0]));
            }

            row.UsedBytes = extent.IsOut ? SlabGeometry.SuperSlabBytes : 0;
            for (int slab = 0; slab < SlabGeometry.SlabCount && extent.SizeClass >= 0; slab++)
                row.SetClass(slab, extent.SizeClass);

            return;
        }

        int running = -1;
        bool isDivided = false;
        for (int slab = 0; slab < SlabGeometry.SlabCount; slab++)
        {
            bool isFree = (descriptor.FreeSlabs & (1u << slab)) != 0;
            uint tag = tags[slab];
            running = isFree ? -1 : tag != 0 ? ArenaClasses.SizeClassOfTag(tag) : running;
            isDivided |= isFree || tag != 0;
            if (running >= 0)
                row.SetClass(slab, running);

            SlabRun* run = runs + slab;
            if (tag != 0 && run->Offset == 0)
                row.UsedBytes += (nuint)Math.Max(0, run->Capacity - run->FreeBlocks) * SizeClasses.BlockBytes(ArenaClasses.SizeClassOfTag(tag));
        }

        row.UsedBytes = isDivided ? row.UsedBytes : SlabGeometry.SuperSlabBytes;
    }

    /// <summary>What the SuperSlabs of an extent have in common with its first.</summary>
    private readonly record struct Extent(bool IsOut, int SizeClass);

    private readonly void Add<TRow>(SnapshotSection section, ref int count, TRow row)
        where TRow : unmanaged
    {
        if (count < section.Count)
            Row<TRow>(section, count) = row;

        count++;
    }

    private readonly ref TRow Row<TRow>(SnapshotSection section, int index)
        where TRow : unmanaged =>
        ref Unsafe.As<byte, TRow>(ref MemoryMarshal.GetReference(_destination[(section.Start + (index * Unsafe.SizeOf<TRow>()))..]));
}

/// <summary>A part of a snapshot: rows of one kind.</summary>
internal readonly record struct SnapshotSection(int Start, int Count);

/// <summary>Where the rows of a <see cref="MemorySnapshot"/> stand: the totals, then section after section.</summary>
internal readonly record struct SnapshotLayout(
    SnapshotSection Arenas, SnapshotSection Classes, SnapshotSection SuperSlabs, SnapshotSection Lanes, SnapshotSection ThreadCaches, SnapshotSection Tags)
{
    /// <summary>What the layout takes in all.</summary>
    public int Bytes => Tags.Start + (Tags.Count * Unsafe.SizeOf<SnapshotTag>());

    /// <summary>The layout for so many rows of each kind.</summary>
    public static SnapshotLayout For(int arenas, int classes, int superSlabs, int lanes, int threadCaches, int tags)
    {
        int end = Unsafe.SizeOf<SnapshotTotals>();
        return new SnapshotLayout(
            Next<SnapshotArena>(ref end, arenas),
            Next<SnapshotClass>(ref end, classes),
            Next<SnapshotSuperSlab>(ref end, superSlabs),
            Next<SnapshotLane>(ref end, lanes),
            Next<SnapshotThreadCache>(ref end, threadCaches),
            Next<SnapshotTag>(ref end, tags));
    }

    /// <summary>Whether there is room for the rows of another layout.</summary>
    public bool Holds(SnapshotLayout other) => other.Arenas.Count <= Arenas.Count
        && other.Classes.Count <= Classes.Count
        && other.SuperSlabs.Count <= SuperSlabs.Count
        && other.Lanes.Count <= Lanes.Count
        && other.ThreadCaches.Count <= ThreadCaches.Count
        && other.Tags.Count <= Tags.Count;

    /// <summary>The same places with the other's counts.</summary>
    public SnapshotLayout WithCounts(SnapshotLayout other) => new(
        Arenas with { Count = other.Arenas.Count },
        Classes with { Count = other.Classes.Count },
        SuperSlabs with { Count = other.SuperSlabs.Count },
        Lanes with { Count = other.Lanes.Count },
        ThreadCaches with { Count = other.ThreadCaches.Count },
        Tags with { Count = other.Tags.Count });

    private static SnapshotSection Next<TRow>(ref int end, int count)
    {
        // Rows begin at multiples of 8 where the memory does.
        int start = (end + 7) & ~7;
        end = checked(start + (count * Unsafe.SizeOf<TRow>()));
        return new SnapshotSection(start, count);
    }
}

/// <summary>Room for snapshots that are taken again and again, kept from one to the next. One thread at a time.</summary>
internal sealed class SnapshotRoom
{
    private byte[] _room = [];

    /// <summary>Takes a snapshot, which is valid until the next.</summary>
    public MemorySnapshot Take(EngineMemory memory, bool asksSystem = false)
    {
        MemorySnapshot snapshot;
        while (!MemorySnapshot.TryTake(memory, _room, out snapshot, out int needed, asksSystem))
        {
            // Threads may need somewhat more by then.
            _room = new byte[needed + (needed / 4)];
        }

        return snapshot;
    }
}
