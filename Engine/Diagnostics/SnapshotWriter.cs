using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Walks all layers, counts a row for each thing it finds, and writes those that there is room for. It follows no
/// pointer that other threads may change: it reads tables that stay in place while the registry shows it the arenas.
/// </summary>
internal unsafe ref struct SnapshotWriter(EngineMemory memory, Span<byte> destination, SnapshotCounts room)
    : IArenaReader
{
    private readonly Span<byte> _destination = destination;
    private readonly SnapshotCounts _room = room;
    private SnapshotCounts _found;

    /// <summary>All rows found so far.</summary>
    public readonly SnapshotCounts Found => _found;

    public void Read(IArena arena, int number)
    {
        if (arena is LongLivedArena longLived)
            WriteLongLived(longLived, number);
        else if (arena is FrameArena frame)
            WriteFrame(frame, number);
    }

    /// <summary>Writes every SuperSlab that was ever used.</summary>
    public void WriteSuperSlabs()
    {
        int end = memory.Pool.End;
        Extent extent = default;
        for (int index = 0; index < end; index++)
        {
            // The counting pass does not look into them.
            if (_found[SnapshotCounts.SuperSlabs] < _room[SnapshotCounts.SuperSlabs])
                Add(SnapshotCounts.SuperSlabs, SuperSlabAt(index, ref extent));
            else
                _found[SnapshotCounts.SuperSlabs]++;
        }
    }

    /// <summary>Writes the tags, while counters are on.</summary>
    public void WriteTags()
    {
        Span<CounterCell> sums = stackalloc CounterCell[AllocationTag.Count];
        if (!memory.TryReadCounters(sums))
            return;

        for (int tag = 0; tag < sums.Length; tag++)
        {
            AllocationTag? registered = AllocationTag.Of(tag);
            CounterCell sum = sums[tag];
            RowName name = new(registered?.Name ?? "");
            long budget = (long)(registered?.BudgetBytes ?? 0);
            Add(SnapshotCounts.Tags, new TagRow(
                tag, name, budget, sum.Allocations, sum.AllocatedBytes, sum.Frees, sum.FreedBytes, sum.LiveBytes));
        }
    }

    private void WriteLongLived(LongLivedArena arena, int number)
    {
        long live = (long)arena.Slabs.HugeBytesOut();
        long cached = 0;
        long absent = arena.Slabs.Runs.AbsentBytes;
        long free = -absent;
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ClassState state = arena.Slabs.Total(sizeClass);
            if (state.Runs == 0)
                continue;

            SizeClassRow row = ClassRow(number, state, arena.Caches.CachedBlocks(sizeClass));
            live += row.LiveCount * row.BlockBytes;
            cached += row.CachedCount * row.BlockBytes;
            free += (row.FreeCount * row.BlockBytes) + row.WasteBytes;
            Add(SnapshotCounts.Classes, row);
        }

        WriteThreadCaches(arena, number);
        if (arena.Group is not null)
            WriteGroup(arena.Group, number);

        ArenaBudget budget = arena.Budget;
        Add(SnapshotCounts.Arenas, new ArenaRow(number, new RowName(arena.Name), IsFrame: false, arena.SuperSlabCount)
        {
            LiveBytes = live,
            CachedBytes = cached,
            FreeBlockBytes = Math.Max(0, free),
            AbsentBytes = arena.Slabs.Space.AbsentBytes + absent,
            PeakBytes = (long)arena.PeakSuperSlabCount << SlabGeometry.SuperSlabShift,
            SoftBudgetBytes = (long)budget.SoftBytes,
            HardBudgetBytes = (long)budget.HardBytes,
            SoftOverrunCount = arena.SoftOverruns,
            HardOverrunCount = arena.HardOverruns,
        });
    }

    private static SizeClassRow ClassRow(int number, in ClassState state, long cached)
    {
        long blockBytes = (long)state.BlockBytes;
        long runBytes = (long)state.SlabsPerRun << SlabGeometry.SlabShift;
        long runWaste = blockBytes == 0 ? 0 : Math.Max(0, runBytes - (state.Capacity * blockBytes));

        // Threads go on between the readings, so differences may come out below 0.
        return new SizeClassRow(
            number,
            blockBytes,
            Math.Max(0, state.BlocksOut - cached),
            Math.Max(0, ((long)state.Runs * state.Capacity) - state.BlocksOut),
            cached,
            state.Runs * runWaste);
    }

    private void WriteThreadCaches(LongLivedArena arena, int number)
    {
        for (ThreadCache* cache = arena.Caches.FirstAttached; cache != null; cache = cache->NextAttached)
        {
            long blocks = 0;
            long bytes = 0;
            for (int sizeClass = 0; sizeClass < SizeClasses.Huge; sizeClass++)
            {
                long cached = arena.Caches.CachedBlocks(cache, sizeClass);
                blocks += cached;
                bytes += cached * (long)SizeClasses.BlockBytes(sizeClass);
            }

            Thread? thread = ThreadSlots.OwnerOf(cache->Slot);
            RowName name = new(thread?.Name ?? "");
            bool hasEnded = thread is not { IsAlive: true };
            Add(SnapshotCounts.ThreadCaches, new ThreadCacheRow(
                number, cache->Slot, name, thread?.ManagedThreadId ?? 0, hasEnded, blocks, bytes));
        }
    }

    private void WriteGroup(ArenaGroup group, int number)
    {
        Span<(int State, long HeldBytes)> largest = stackalloc (int, long)[MemorySnapshot.MostSmallArenas];
        int listed = 0;
        int count = 0;
        long live = 0;
        long held = 0;
        ReadOnlySpan<SmallArenaState?> states = group.States;
        for (int index = 0; index < states.Length; index++)
        {
            if (!states[index]!.IsAlive)
                continue;

            (nuint LiveBytes, nuint HeldBytes) bytes = states[index]!.Bytes;
            count++;
            live += (long)bytes.LiveBytes;
            held += (long)bytes.HeldBytes;
            int place = listed;
            while (place > 0 && largest[place - 1].HeldBytes < (long)bytes.HeldBytes)
                place--;

            if (place == largest.Length)
                continue;

            listed = Math.Min(listed + 1, largest.Length);
            largest[place..(listed - 1)].CopyTo(largest[(place + 1)..]);
            largest[place] = (index, (long)bytes.HeldBytes);
        }

        Add(SnapshotCounts.Groups, new ArenaGroupRow(number, count, listed, live, held));
        foreach ((int index, long bytes) in largest[..listed])
        {
            SmallArenaState state = states[index]!;
            ArenaBudget limits = state.Limits;
            Add(
                SnapshotCounts.SmallArenas,
                new SmallArenaRow(number, new RowName(state.Name), (long)state.Bytes.LiveBytes, bytes)
                {
                    SoftBudgetBytes = (long)limits.SoftBytes,
                    HardBudgetBytes = (long)limits.HardBytes,
                });
        }
    }

    private void WriteFrame(FrameArena arena, int number)
    {
        long used = 0;
        ReadOnlySpan<LaneState> lanes = arena.LaneStates;
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            LaneState state = lanes[lane];
            long laneUsed = (long)state.UsedBytes;
            used += laneUsed;
            Add(SnapshotCounts.Lanes, new LaneRow(
                number, lane, (long)arena.LaneBytes, laneUsed, Math.Max((long)state.HighWaterBytes, laneUsed)));
        }

        Add(SnapshotCounts.Arenas, new ArenaRow(number, new RowName(arena.Name), IsFrame: true, arena.SuperSlabCount)
        {
            LiveBytes = used,
            PeakBytes = (long)arena.SuperSlabCount << SlabGeometry.SuperSlabShift,
            OverflowCount = arena.OverflowCount,
        });
    }

    private readonly SuperSlabRow SuperSlabAt(int index, ref Extent extent)
    {
        SuperSlabDescriptor descriptor = memory.Reservation.SuperSlabs[index];
        (bool isFree, bool isReady) = memory.Pool.StateOf(index);
        bool isOwned = !isFree && isReady && descriptor.OwnerTag != 0;
        bool isExtent = descriptor.RunLength != 1
            || ArenaClasses.SizeClassOfTag(TagOf(index)) > SizeClasses.LastWithinSuperSlab;
        SuperSlabRow row = new()
        {
            Index = index,
            Pages = descriptor.Pages,
            ArenaNumber = isOwned ? (int)(descriptor.OwnerTag >> ArenaRegistry.TagShift) : 0,
            State = isOwned ? isExtent ? SuperSlabState.Extent : SuperSlabState.Owned
                : isFree && isReady ? SuperSlabState.Ready
                : SuperSlabState.Free,
        };
        return row.State switch
        {
            SuperSlabState.Owned => WithSlabs(row, descriptor, extent),
            SuperSlabState.Extent => WithExtent(row, descriptor, ref extent),
            _ => row,
        };
    }

    /// <summary>An extent's first SuperSlab has its length and tag; the others take them over.</summary>
    private readonly SuperSlabRow WithExtent(SuperSlabRow row, in SuperSlabDescriptor descriptor, ref Extent extent)
    {
        int first = row.Index * SlabGeometry.SlabCount;
        uint tag = TagOf(row.Index);
        SlabRun* run = (SlabRun*)memory.Reservation.SlabDescriptors + first;
        if (descriptor.RunLength != 0)
        {
            // Lanes have no tag.
            extent = tag == 0 ? new Extent(true, -1, 0)
                : new Extent(run->FreeBlocks == 0, ArenaClasses.SizeClassOfTag(tag), first + run->SlabCount);
        }

        SuperSlabRow.SlabClasses classes = default;
        for (int slab = 0; slab < SlabGeometry.SlabCount && extent.SizeClass >= 0; slab++)
            classes[slab] = SuperSlabRow.SlabClasses.Of(extent.SizeClass);

        return row with { UsedBytes = extent.IsOut ? (long)SlabGeometry.SuperSlabBytes : 0, Classes = classes };
    }

    private readonly uint TagOf(int superSlab) => memory.Reservation.Tags[superSlab * SlabGeometry.SlabCount];

    /// <summary>
    /// A run of one block has a tag in its first slab; untagged slabs behind it belong to it, also the first slabs of a
    /// SuperSlab, behind an extent.
    /// </summary>
    private readonly SuperSlabRow WithSlabs(SuperSlabRow row, in SuperSlabDescriptor descriptor, in Extent extent)
    {
        int first = row.Index * SlabGeometry.SlabCount;
        int ofExtent = Math.Clamp(extent.EndSlab - first, 0, SlabGeometry.SlabCount);
        uint* tags = memory.Reservation.Tags + first;
        SlabRun* runs = (SlabRun*)memory.Reservation.SlabDescriptors + first;
        SuperSlabRow.SlabClasses classes = default;
        long used = extent.IsOut ? (long)ofExtent << SlabGeometry.SlabShift : 0;
        int running = ofExtent > 0 ? extent.SizeClass : -1;
        bool isDivided = ofExtent > 0;
        for (int slab = 0; slab < SlabGeometry.SlabCount; slab++)
        {
            bool isFree = (descriptor.FreeSlabs & (1u << slab)) != 0;
            uint tag = tags[slab];
            running = isFree ? -1 : tag != 0 ? ArenaClasses.SizeClassOfTag(tag) : running;
            isDivided |= isFree || tag != 0;
            if (running >= 0)
                classes[slab] = SuperSlabRow.SlabClasses.Of(running);

            SlabRun* run = runs + slab;
            if (tag != 0 && run->Offset == 0)
                used += Math.Max(0L, run->Capacity - run->FreeBlocks) * BlockBytesOf(tag);
        }

        // A lane takes a SuperSlab whole.
        used = isDivided ? used : (long)SlabGeometry.SuperSlabBytes;
        return row with { UsedBytes = used, Classes = classes, IsDivided = isDivided };
    }

    private static long BlockBytesOf(uint tag) => (long)SizeClasses.BlockBytes(ArenaClasses.SizeClassOfTag(tag));

    private void Add<TRow>(int kind, TRow row)
        where TRow : unmanaged
    {
        int index = _found[kind]++;
        if (index < _room[kind])
        {
            int start = SnapshotCounts.StartOf(_room, kind) + (index * Unsafe.SizeOf<TRow>());
            MemoryMarshal.Write(_destination[start..], in row);
        }
    }

    /// <summary>What the SuperSlabs of an extent have in common with its first.</summary>
    private readonly record struct Extent(bool IsOut, int SizeClass, int EndSlab);
}
