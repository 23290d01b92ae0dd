using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Diagnostics;

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

    /// <summary>The registered tags and that of code without one; empty where <see cref="MemoryCounters"/> are off.</summary>
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
            return false;

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
            memory.OwnedSuperSlabCount,
            memory.ReadySuperSlabCount,
            memory.MetadataBytes,
            memory.OsCalls,
            (long)memory.PrefaultTime.TotalNanoseconds);
        MemoryMarshal.Write(destination, in totals);
        snapshot = new MemorySnapshot(destination, layout.WithCounts(writer.Found));
        return true;
    }

    private readonly ReadOnlySpan<TRow> Rows<TRow>(SnapshotSection section)
        where TRow : unmanaged => MemoryMarshal.Cast<byte, TRow>(_memory.Slice(section.Start, section.Count * Unsafe.SizeOf<TRow>()));
}

/// <summary>What a <see cref="MemorySnapshot"/> says of all the engine's memory.</summary>
/// <param name="Base">Where the reservation begins.</param>
/// <param name="MappedBytes">Address space reserved.</param>
/// <param name="ResidentBytes">Of it resident, as the system says; -1 where it does not, or was not asked.</param>
/// <param name="OwnedSuperSlabs">Held by arenas; some of them may be on the way there.</param>
/// <param name="ReadySuperSlabs">Prefaulted and held by none.</param>
/// <param name="MetadataBytes">Resident tables, caches and descriptors.</param>
/// <param name="OsCalls">Calls to the system's memory functions so far.</param>
/// <param name="PrefaultNanoseconds">Time spent in making memory resident so far.</param>
public readonly record struct SnapshotTotals(
    nint Base, nuint MappedBytes, long ResidentBytes, int OwnedSuperSlabs, int ReadySuperSlabs, nuint MetadataBytes, long OsCalls, long PrefaultNanoseconds);

/// <summary>Who has a SuperSlab.</summary>
public enum SnapshotState : byte
{
    /// <summary>Nobody, and there is no memory behind it; or it is on its way from or to the system.</summary>
    Free,

    /// <summary>The retained reserve: prefaulted, to be had without an OS call.</summary>
    Ready,

    /// <summary>An arena, which divides it in slabs or in lanes.</summary>
    Owned,

    /// <summary>An arena, for one block, or the lanes of a frame arena, of several SuperSlabs.</summary>
    Extent,
}

/// <summary>One SuperSlab in a <see cref="MemorySnapshot"/>. Immutable; any thread.</summary>
public struct SnapshotSuperSlab
{
    private SlabClasses _classes;

    /// <summary>The slabs of a SuperSlab.</summary>
    public static int SlabCount => SlabGeometry.SlabCount;

    /// <summary>Which: it lies so many times 2 MiB behind the reservation's beginning.</summary>
    public int Index { readonly get; internal set; }

    /// <summary>Who has it.</summary>
    public SnapshotState State { readonly get; internal set; }

    /// <summary>The kind of pages that were put behind it last.</summary>
    public PageKind Pages { readonly get; internal set; }

    /// <summary>The number of the arena that owns it; 0 where none does.</summary>
    public int Arena { readonly get; internal set; }

    /// <summary>Bytes of blocks that are out of their runs: callers' and caches'. All of it where lanes or an extent that is out stand in it.</summary>
    public nuint UsedBytes { readonly get; internal set; }

    /// <summary>The block bytes of the size class that a slab is divided in; 0 for a free slab, for lanes, and for blocks above 32 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slab.</exception>
    public readonly nuint BlockBytesOf(int slab)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slab);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slab, SlabCount);
        return _classes[slab] == 0 ? 0 : SizeClasses.BlockBytes(_classes[slab] - 1);
    }

    internal void SetClass(int slab, int sizeClass) => _classes[slab] = (byte)(sizeClass + 1);

    /// <summary>A class and 1 for each slab; 0 for those that have none.</summary>
    [InlineArray(SlabGeometry.SlabCount)]
    private struct SlabClasses
    {
        private byte _first;
    }
}

/// <summary>One arena in a <see cref="MemorySnapshot"/>.</summary>
/// <param name="Number">What the other rows call it. Given to another arena once this one is disposed.</param>
/// <param name="Name">Its name.</param>
/// <param name="IsFrame">Whether it is a frame arena.</param>
/// <param name="SuperSlabs">SuperSlabs that it owns.</param>
/// <param name="LiveBytes">Blocks that callers hold; of a frame arena the bytes used in the current frame. With full checks, red zones and freed blocks that are watched count too.</param>
/// <param name="CachedBytes">Free blocks in thread caches and between threads.</param>
/// <param name="PeakBytes">The most SuperSlab bytes held at a time; of a frame arena those held now, which are given back by its Trim only.</param>
/// <param name="SoftBudget">In bytes; 0 where there is none.</param>
/// <param name="HardBudget">In bytes; 0 where there is none.</param>
/// <param name="SoftOverruns">How often it went beyond.</param>
/// <param name="HardOverruns">How often it wanted to.</param>
/// <param name="Overflows">Of a frame arena, how often a lane needed more than its share.</param>
public readonly record struct SnapshotArena(
    int Number,
    SnapshotName Name,
    bool IsFrame,
    int SuperSlabs,
    nuint LiveBytes,
    nuint CachedBytes,
    nuint PeakBytes,
    nuint SoftBudget,
    nuint HardBudget,
    long SoftOverruns,
    long HardOverruns,
    long Overflows);

/// <summary>One size class of one arena in a <see cref="MemorySnapshot"/>; classes that the arena has no memory for are left out.</summary>
/// <param name="Arena">The arena's number.</param>
/// <param name="BlockBytes">The size of its blocks; 0 for blocks above 32 MiB, which have none in common.</param>
/// <param name="Live">Blocks that callers hold.</param>
/// <param name="Free">Blocks that lie free in their runs.</param>
/// <param name="Cached">Free blocks in thread caches and between threads.</param>
/// <param name="WasteBytes">Memory of its runs that no block can use.</param>
public readonly record struct SnapshotClass(int Arena, nuint BlockBytes, long Live, long Free, long Cached, nuint WasteBytes);

/// <summary>One thread's cache of one arena in a <see cref="MemorySnapshot"/>.</summary>
/// <param name="Arena">The arena's number.</param>
/// <param name="Slot">The thread's slot, which the next new thread gets when it has ended.</param>
/// <param name="Thread">The thread's name; empty where it has none.</param>
/// <param name="ManagedThreadId">Its number among the runtime's threads.</param>
/// <param name="HasEnded">Whether the thread is gone and the cache waits for the next.</param>
/// <param name="Blocks">Free blocks that it holds.</param>
/// <param name="Bytes">Their bytes.</param>
public readonly record struct SnapshotThreadCache(
    int Arena, int Slot, SnapshotName Thread, int ManagedThreadId, bool HasEnded, long Blocks, nuint Bytes);

/// <summary>One lane of a frame arena in a <see cref="MemorySnapshot"/>.</summary>
/// <param name="Arena">The arena's number.</param>
/// <param name="Lane">Its index.</param>
/// <param name="CapacityBytes">Its share before it overflows.</param>
/// <param name="UsedBytes">Used in the current frame.</param>
/// <param name="HighWaterBytes">The most that was used in one frame.</param>
public readonly record struct SnapshotLane(int Arena, int Lane, nuint CapacityBytes, nuint UsedBytes, nuint HighWaterBytes);

/// <summary>One tag in a <see cref="MemorySnapshot"/>: what all arenas of the memory counted under it, since the memory was made.</summary>
/// <param name="Number">Its number; 0 is that of code without a tag.</param>
/// <param name="Name">Its name; empty for code without a tag.</param>
/// <param name="BudgetBytes">How much may live under it; 0 where there is no limit.</param>
/// <param name="Allocations">Blocks allocated.</param>
/// <param name="AllocatedBytes">Their bytes, as large as their size classes.</param>
/// <param name="Frees">Blocks freed, those included that a reset or disposed arena threw away.</param>
/// <param name="FreedBytes">Their bytes.</param>
public readonly record struct SnapshotTag(
    int Number, SnapshotName Name, nuint BudgetBytes, long Allocations, long AllocatedBytes, long Frees, long FreedBytes)
{
    /// <summary>Bytes allocated less bytes freed while the tag was in force; below 0 where others' blocks were freed under it.</summary>
    public long LiveBytes => AllocatedBytes - FreedBytes;
}

/// <summary>A name in a <see cref="MemorySnapshot"/>: text without a managed object, cut off after 32 characters. Immutable; any thread.</summary>
public readonly struct SnapshotName : IEquatable<SnapshotName>
{
    private const int MaximumLength = 32;

    private readonly Characters _characters;
    private readonly int _length;

    internal SnapshotName(string name)
    {
        _length = Math.Min(name.Length, MaximumLength);
        name.AsSpan(0, _length).CopyTo(MemoryMarshal.CreateSpan(ref Unsafe.As<Characters, char>(ref _characters), MaximumLength));
    }

    private ReadOnlySpan<char> Text =>
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<Characters, char>(ref Unsafe.AsRef(in _characters)), MaximumLength)[.._length];

    /// <summary>Whether both are the same text.</summary>
    public static bool operator ==(SnapshotName left, SnapshotName right) => left.Equals(right);

    /// <summary>Whether they are not.</summary>
    public static bool operator !=(SnapshotName left, SnapshotName right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(SnapshotName other) => Text.SequenceEqual(other.Text);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SnapshotName other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => string.GetHashCode(Text);

    /// <summary>The name as a string, which is allocated.</summary>
    public override string ToString() => new(Text);

    [InlineArray(MaximumLength)]
    private struct Characters
    {
        private char _first;
    }
}
