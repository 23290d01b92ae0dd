using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Core;

namespace Engine.Profiling;

/// <summary>
/// Everything that the layers know at one moment, in memory of the caller's: SuperSlabs, size classes, arenas, lanes, thread caches, tags.
/// <code>
/// Span&lt;byte&gt; memoryForIt = ...;
/// if (MemorySnapshot.TryTake(memory, memoryForIt, out MemorySnapshot snapshot, out int neededBytes)) { ... snapshot.Arenas ... }
/// </code>
/// Taking one allocates nothing, makes no OS call unless asked to, and may be done by any thread while others go on; arenas that are made
/// or disposed wait for it (some microseconds for each MiB in use), so it is for level loads, for the time between frames and for threads
/// of lower rank. What the threads do meanwhile it does not stop:
/// <list type="bullet">
/// <item>each number by itself was true at some moment of the call;</item>
/// <item>an arena does not go while its own rows are written: its name, number, budgets, lanes and caches belong together;</item>
/// <item>numbers that belong together (live and cached blocks of a class; what a SuperSlab holds) may differ by what the threads did
/// between the readings: a magazine that changes hands may be counted twice or not at all;</item>
/// <item>when nobody uses the memory, all of it is exact, and sums are equal: the SuperSlabs of all arenas are the owned ones.</item>
/// </list>
/// </summary>
public readonly ref struct MemorySnapshot
{
    private readonly Span<byte> _memory;
    private readonly SnapshotLayout _layout;

    private MemorySnapshot(Span<byte> memory, SnapshotLayout layout)
    {
        _memory = memory;
        _layout = layout;
    }

    /// <summary>What concerns all the memory.</summary>
    public readonly SnapshotTotals Totals => MemoryMarshal.Read<SnapshotTotals>(_memory);

    /// <summary>The arenas that live.</summary>
    public readonly ReadOnlySpan<SnapshotArena> Arenas => Rows<SnapshotArena>(_layout.Arenas);

    /// <summary>The size classes that arenas have memory for.</summary>
    public readonly ReadOnlySpan<SnapshotClass> Classes => Rows<SnapshotClass>(_layout.Classes);

    /// <summary>All SuperSlabs that were ever used, by their place.</summary>
    public readonly ReadOnlySpan<SnapshotSuperSlab> SuperSlabs => Rows<SnapshotSuperSlab>(_layout.SuperSlabs);

    /// <summary>The lanes of all frame arenas.</summary>
    public readonly ReadOnlySpan<SnapshotLane> Lanes => Rows<SnapshotLane>(_layout.Lanes);

    /// <summary>The thread caches of all arenas.</summary>
    public readonly ReadOnlySpan<SnapshotThreadCache> ThreadCaches => Rows<SnapshotThreadCache>(_layout.ThreadCaches);

    /// <summary>The registered tags and that of code without one; empty where <see cref="Core.MemoryCounters"/> are off.</summary>
    public readonly ReadOnlySpan<SnapshotTag> Tags => Rows<SnapshotTag>(_layout.Tags);

    /// <summary>Takes a snapshot.</summary>
    /// <param name="memory">Of what.</param>
    /// <param name="destination">Where it is written to; it stays the caller's and must stay as it is while the snapshot is used.</param>
    /// <param name="snapshot">What was taken.</param>
    /// <param name="neededBytes">How large <paramref name="destination"/> must be; somewhat more where threads go on.</param>
    /// <param name="asksSystem">Whether the system is asked how much is resident; see <see cref="EngineMemory.ResidentBytes"/>.</param>
    /// <returns>False, and what is written is nothing, where <paramref name="destination"/> is too small.</returns>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public static bool TryTake(
        EngineMemory memory, Span<byte> destination, out MemorySnapshot snapshot, out int neededBytes, bool asksSystem = false)
    {
        ArgumentNullException.ThrowIfNull(memory);
        using WorkGate.Entry work = memory.Work.Enter(memory, marks: false);
        var count = new SnapshotWriter(memory, default, default);
        memory.Arenas.Read(ref count);
        count.WriteSuperSlabs();
        count.WriteTags();
        SnapshotLayout layout = count.Found;
        neededBytes = layout.Bytes;
        snapshot = default;
        if (destination.Length < neededBytes)
        {
            return false;
        }

        var writer = new SnapshotWriter(memory, destination, layout);
        memory.Arenas.Read(ref writer);
        writer.WriteSuperSlabs();
        writer.WriteTags();
        neededBytes = writer.Found.Bytes;
        if (!layout.Holds(writer.Found))
        {
            // Something came between the counting and the writing.
            return false;
        }

        var totals = new SnapshotTotals(
            memory.ReservationBase,
            memory.ReservationBytes,
            asksSystem ? memory.ResidentBytes() : -1,
            memory.OwnedSuperSlabs,
            memory.ReadySuperSlabs,
            memory.MetadataBytes,
            memory.OsCalls,
            memory.PrefaultNanoseconds);
        MemoryMarshal.Write(destination, in totals);
        snapshot = new MemorySnapshot(destination, layout.WithCounts(writer.Found));
        return true;
    }

    private readonly ReadOnlySpan<TRow> Rows<TRow>(SnapshotSection section)
        where TRow : unmanaged => MemoryMarshal.Cast<byte, TRow>(_memory.Slice(section.Start, section.Count * Unsafe.SizeOf<TRow>()));
}
