using System.Runtime.CompilerServices;

namespace Engine.Profiling;

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
