using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Diagnostics;

/// <summary>
/// The state of all layers at one moment, in the caller's memory: SuperSlabs, classes, arenas, lanes, caches, tags.
/// <code>
/// Span&lt;byte&gt; room = ...;
/// if (MemorySnapshot.TryTake(memory, room, out MemorySnapshot snapshot, out int neededBytes)) { ... }
/// </code>
/// </summary>
/// <remarks>
/// Taking one allocates nothing, makes no OS call unless asked to, and works on any thread while others go on.
/// Creation and disposal of arenas wait for it, some microseconds for each MiB in use: use it between frames, at level
/// loads, or on threads of lower priority. Other threads keep allocating meanwhile, so
/// <list type="bullet">
/// <item>each number was true at some moment of the call;</item>
/// <item>the rows of one arena belong together: it cannot be disposed while they are written;</item>
/// <item>related numbers may differ by what threads did between the readings: a magazine that changes hands may count
/// twice or not at all;</item>
/// <item>in quiet memory all numbers are exact, and the SuperSlabs of all arenas add up to the owned ones.</item>
/// </list>
/// </remarks>
public readonly ref struct MemorySnapshot
{
    /// <summary>The most small arenas of one group that have a row of their own.</summary>
    public const int MostSmallArenas = 64;

    private readonly Span<byte> _memory;
    private readonly SnapshotCounts _room;
    private readonly SnapshotCounts _found;

    private MemorySnapshot(Span<byte> memory, SnapshotCounts room, SnapshotCounts found)
    {
        Debug.Assert(SnapshotCounts.Hold(room, found), "Each kind of rows ends before the next begins.");
        _memory = memory;
        _room = room;
        _found = found;
    }

    /// <summary>The memory as a whole.</summary>
    public readonly MemoryTotals Totals => MemoryMarshal.Read<MemoryTotals>(_memory);

    /// <summary>What the memory is used for: the arenas' shares, the reserve and the tables.</summary>
    public readonly MemoryUse Use
    {
        get
        {
            MemoryTotals totals = Totals;
            long ready = (long)totals.ReadySuperSlabCount << SlabGeometry.SuperSlabShift;
            MemoryUse use = new(0, 0, 0, 0, ready, totals.MetadataBytes);
            foreach (ArenaRow arena in Arenas)
            {
                use = use with
                {
                    LiveBytes = use.LiveBytes + arena.LiveBytes,
                    CachedBytes = use.CachedBytes + arena.CachedBytes,
                    FreeBlockBytes = use.FreeBlockBytes + arena.FreeBlockBytes,
                    FreeSlabBytes = use.FreeSlabBytes + arena.FreeSlabBytes,
                };
            }

            return use;
        }
    }

    /// <summary>The arenas.</summary>
    public readonly ReadOnlySpan<ArenaRow> Arenas => Rows<ArenaRow>(SnapshotCounts.Arenas);

    /// <summary>The size classes that arenas have memory for.</summary>
    public readonly ReadOnlySpan<SizeClassRow> Classes => Rows<SizeClassRow>(SnapshotCounts.Classes);

    /// <summary>All SuperSlabs ever used, by index.</summary>
    public readonly ReadOnlySpan<SuperSlabRow> SuperSlabs => Rows<SuperSlabRow>(SnapshotCounts.SuperSlabs);

    /// <summary>The lanes of all frame arenas.</summary>
    public readonly ReadOnlySpan<LaneRow> Lanes => Rows<LaneRow>(SnapshotCounts.Lanes);

    /// <summary>The thread caches of all arenas.</summary>
    public readonly ReadOnlySpan<ThreadCacheRow> ThreadCaches => Rows<ThreadCacheRow>(SnapshotCounts.ThreadCaches);

    /// <summary>The tags, first that of code without one; empty while <see cref="MemoryCounters"/> are off.</summary>
    public readonly ReadOnlySpan<TagRow> Tags => Rows<TagRow>(SnapshotCounts.Tags);

    /// <summary>The groups of small arenas, each with the sum of all its arenas.</summary>
    public readonly ReadOnlySpan<ArenaGroupRow> Groups => Rows<ArenaGroupRow>(SnapshotCounts.Groups);

    /// <summary>Of each group the small arenas that hold the most, up to <see cref="MostSmallArenas"/>; the largest
    /// first.</summary>
    public readonly ReadOnlySpan<SmallArenaRow> SmallArenas => Rows<SmallArenaRow>(SnapshotCounts.SmallArenas);

    /// <summary>Takes a snapshot.</summary>
    /// <param name="memory">The memory to look at.</param>
    /// <param name="destination">Receives the rows; the snapshot reads them from there.</param>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="neededBytes">Size that <paramref name="destination"/> needs, and more while threads go on.</param>
    /// <param name="asksSystem">Whether to ask the system for <see cref="EngineMemory.ResidentBytes"/>.</param>
    /// <returns>False where <paramref name="destination"/> is too small; its content is undefined then.</returns>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public static bool TryTake(
        EngineMemory memory,
        Span<byte> destination,
        out MemorySnapshot snapshot,
        out int neededBytes,
        bool asksSystem = false)
    {
        ArgumentNullException.ThrowIfNull(memory);
        using WorkGate.Entry work = memory.Work.Enter(memory, marks: false);
        SnapshotCounts room = Write(memory, default, default);
        neededBytes = SnapshotCounts.Bytes(room);
        snapshot = default;
        if (destination.Length < neededBytes)
            return false;

        SnapshotCounts found = Write(memory, destination, room);
        neededBytes = SnapshotCounts.Bytes(found);
        if (!SnapshotCounts.Hold(room, found))
        {
            // Other threads added rows after the counting.
            return false;
        }

        MemoryTotals totals = TotalsOf(memory, asksSystem);
        MemoryMarshal.Write(destination, in totals);
        snapshot = new MemorySnapshot(destination, room, found);
        return true;
    }

    /// <summary>Takes a snapshot into an array that grows as needed and is kept for the next.</summary>
    internal static MemorySnapshot Take(EngineMemory memory, ref byte[] room, bool asksSystem = false)
    {
        MemorySnapshot snapshot;
        while (!TryTake(memory, room, out snapshot, out int needed, asksSystem))
            room = new byte[needed + (needed / 4)];

        return snapshot;
    }

    private static SnapshotCounts Write(EngineMemory memory, Span<byte> destination, SnapshotCounts room)
    {
        var writer = new SnapshotWriter(memory, destination, room);
        memory.Arenas.Read(ref writer);
        writer.WriteSuperSlabs();
        writer.WriteTags();
        return writer.Found;
    }

    private static MemoryTotals TotalsOf(EngineMemory memory, bool asksSystem) => new(
        memory.ReservationBase,
        (long)memory.ReservationBytes,
        asksSystem ? memory.ResidentBytes() : -1,
        memory.OwnedSuperSlabCount,
        memory.ReadySuperSlabCount,
        (long)memory.MetadataBytes,
        memory.OsCalls,
        (long)memory.PrefaultTime.TotalNanoseconds);

    private readonly ReadOnlySpan<TRow> Rows<TRow>(int kind)
        where TRow : unmanaged
    {
        int start = SnapshotCounts.StartOf(_room, kind);
        return MemoryMarshal.Cast<byte, TRow>(_memory.Slice(start, _found[kind] * Unsafe.SizeOf<TRow>()));
    }
}

/// <summary>How many rows of each kind a snapshot has; they follow its totals in this order.</summary>
[InlineArray(Kinds)]
internal struct SnapshotCounts
{
    public const int Arenas = 0;
    public const int Classes = 1;
    public const int SuperSlabs = 2;
    public const int Lanes = 3;
    public const int ThreadCaches = 4;
    public const int Tags = 5;
    public const int Groups = 6;
    public const int SmallArenas = 7;
    private const int Kinds = 8;

    private int _first;

    /// <summary>Size of a snapshot with these counts.</summary>
    public static int Bytes(in SnapshotCounts counts) => StartOf(counts, Kinds);

    /// <summary>Where the rows of a kind begin.</summary>
    public static int StartOf(in SnapshotCounts counts, int kind)
    {
        int start = Unsafe.SizeOf<MemoryTotals>();
        for (int before = 0; before < kind; before++)
            start = checked(start + (counts[before] * RowBytes(before)));

        Debug.Assert(start % sizeof(long) == 0, "Rows are aligned where the caller's memory is.");
        return start;
    }

    /// <summary>Whether there is room for as many rows of each kind.</summary>
    public static bool Hold(in SnapshotCounts room, in SnapshotCounts rows)
    {
        for (int kind = 0; kind < Kinds; kind++)
        {
            if (rows[kind] > room[kind])
                return false;
        }

        return true;
    }

    private static int RowBytes(int kind) => kind switch
    {
        Arenas => Unsafe.SizeOf<ArenaRow>(),
        Classes => Unsafe.SizeOf<SizeClassRow>(),
        SuperSlabs => Unsafe.SizeOf<SuperSlabRow>(),
        Lanes => Unsafe.SizeOf<LaneRow>(),
        ThreadCaches => Unsafe.SizeOf<ThreadCacheRow>(),
        Tags => Unsafe.SizeOf<TagRow>(),
        Groups => Unsafe.SizeOf<ArenaGroupRow>(),
        _ => Unsafe.SizeOf<SmallArenaRow>(),
    };
}
