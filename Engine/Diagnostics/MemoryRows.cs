using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;

#pragma warning disable CS1591, CS1573 // Fields whose names and units say everything have no comment.
namespace SuperSlab.Diagnostics;

/// <summary>The engine's memory as a whole: the head of a <see cref="MemorySnapshot"/> and a profile.</summary>
/// <remarks>All rows are plain values without managed objects. Sizes are bytes, times nanoseconds.</remarks>
/// <param name="ResidentBytes">Resident part of it, by the system's count; -1 where that is not known.</param>
/// <param name="OwnedSuperSlabCount">SuperSlabs that arenas hold, those in transit included.</param>
/// <param name="ReadySuperSlabCount">Prefaulted SuperSlabs that no arena holds.</param>
/// <param name="MetadataBytes">Resident tables, caches and descriptors.</param>
/// <param name="OsCallCount">Calls to the system's memory functions so far.</param>
/// <param name="PrefaultNanoseconds">Time spent in making memory resident so far.</param>
public readonly record struct MemoryTotals(
    long BaseAddress,
    long MappedBytes,
    long ResidentBytes,
    int OwnedSuperSlabCount,
    int ReadySuperSlabCount,
    long MetadataBytes,
    long OsCallCount,
    long PrefaultNanoseconds);

/// <summary>
/// What the engine's memory is used for, in bytes. Where all of it was made resident, they add up to that.
/// </summary>
/// <param name="LiveBytes">Blocks that callers hold, and what frames used.</param>
/// <param name="CachedBytes">Free blocks in thread caches and between threads.</param>
/// <param name="FreeBlockBytes">Free blocks in slabs that hold blocks, and what no block can use there.</param>
/// <param name="FreeSlabBytes">Slabs without a block, but with memory, in the arenas' SuperSlabs; what frames have
/// not used.</param>
/// <param name="ReadyBytes">Prefaulted SuperSlabs that no arena holds.</param>
/// <param name="TableBytes">Tables, caches and descriptors.</param>
public readonly record struct MemoryUse(
    long LiveBytes, long CachedBytes, long FreeBlockBytes, long FreeSlabBytes, long ReadyBytes, long TableBytes)
{
    /// <summary>The sum.</summary>
    public long Bytes => LiveBytes + CachedBytes + FreeBlockBytes + FreeSlabBytes + ReadyBytes + TableBytes;
}

/// <summary>One arena.</summary>
/// <param name="Number">Names the arena in other rows. A later arena may get the number of a disposed one.</param>
public readonly record struct ArenaRow(int Number, RowName Name, bool IsFrame, int SuperSlabCount)
{
    /// <summary>
    /// Blocks that callers hold, with red zones and watched blocks under full checks; in a frame arena the frame's
    /// bytes.
    /// </summary>
    public long LiveBytes { get; init; }

    /// <summary>Free blocks in thread caches and between threads.</summary>
    public long CachedBytes { get; init; }

    /// <summary>Free blocks in the slabs that hold blocks, and what no block can use there.</summary>
    public long FreeBlockBytes { get; init; }

    /// <summary>Free slabs and pages whose memory a trim gave back to the system, or that a prewarm left out: part of
    /// the SuperSlabs, and not resident.</summary>
    public long AbsentBytes { get; init; }

    /// <summary>Slabs with memory that hold no block, and in a frame arena what the frame has not used.</summary>
    public long FreeSlabBytes => Math.Max(
        0,
        ((long)SuperSlabCount << SlabGeometry.SuperSlabShift)
            - LiveBytes - CachedBytes - FreeBlockBytes - AbsentBytes);

    /// <summary>Most SuperSlab bytes held; in a frame arena those held now, which only Trim lowers.</summary>
    public long PeakBytes { get; init; }

    /// <summary>0 for no budget.</summary>
    public long SoftBudgetBytes { get; init; }

    /// <inheritdoc cref="SoftBudgetBytes"/>
    public long HardBudgetBytes { get; init; }

    /// <summary>Times that the arena grew beyond its soft budget.</summary>
    public long SoftOverrunCount { get; init; }

    /// <summary>Times that the hard budget refused a request.</summary>
    public long HardOverrunCount { get; init; }

    /// <summary>Times that a lane of a frame arena needed more than its share.</summary>
    public long OverflowCount { get; init; }
}

/// <summary>
/// The small arenas of one group. The group also has an <see cref="ArenaRow"/>, that of the slabs which it lends.
/// </summary>
/// <param name="ArenaNumber">The group's number in other rows.</param>
/// <param name="ArenaCount">Small arenas alive.</param>
/// <param name="ListedCount">How many of them have a <see cref="SmallArenaRow"/>: those that hold the most.</param>
/// <param name="LiveBytes">Blocks that callers of all of them hold.</param>
/// <param name="HeldBytes">Slabs and large blocks that all of them hold.</param>
public readonly record struct ArenaGroupRow(
    int ArenaNumber, int ArenaCount, int ListedCount, long LiveBytes, long HeldBytes);

/// <summary>One small arena; a group's largest <see cref="MemorySnapshot.MostSmallArenas"/> have one.</summary>
/// <param name="GroupNumber">The number of its group.</param>
/// <param name="LiveBytes">Blocks that callers hold.</param>
/// <param name="HeldBytes">Slabs and large blocks that it holds.</param>
public readonly record struct SmallArenaRow(int GroupNumber, RowName Name, long LiveBytes, long HeldBytes)
{
    /// <summary>0 for no budget.</summary>
    public long SoftBudgetBytes { get; init; }

    /// <inheritdoc cref="SoftBudgetBytes"/>
    public long HardBudgetBytes { get; init; }
}

/// <summary>One size class of one arena. Classes without memory have no row.</summary>
/// <param name="BlockBytes">Size of a block; 0 for blocks above 32 MiB, which have no common size.</param>
/// <param name="LiveCount">Blocks that callers hold.</param>
/// <param name="FreeCount">Free blocks in their runs.</param>
/// <param name="CachedCount">Free blocks in thread caches and between threads.</param>
/// <param name="WasteBytes">Memory of the runs that no block can use.</param>
public readonly record struct SizeClassRow(
    int ArenaNumber, long BlockBytes, long LiveCount, long FreeCount, long CachedCount, long WasteBytes);

/// <summary>One lane of a frame arena.</summary>
/// <param name="CapacityBytes">Its share; beyond it the lane overflows.</param>
public readonly record struct LaneRow(
    int ArenaNumber, int Lane, long CapacityBytes, long UsedBytes, long HighWaterBytes);

/// <summary>One thread's cache of one arena.</summary>
/// <param name="Slot">The thread's slot. A new thread takes over the slot of one that has ended.</param>
/// <param name="Thread">The thread's name; may be empty.</param>
/// <param name="HasEnded">Whether the thread has ended and its cache waits for the next one.</param>
public readonly record struct ThreadCacheRow(
    int ArenaNumber, int Slot, RowName Thread, int ManagedThreadId, bool HasEnded, long BlockCount, long Bytes)
{
    internal string ThreadText => (Thread.Length != 0 ? Thread.ToString() : $"thread {ManagedThreadId}")
        + (HasEnded ? " (ended)" : "");
}

/// <summary>One tag: what all arenas counted under it since the memory was made.</summary>
/// <param name="Number">0 for code without a tag.</param>
/// <param name="Name">Empty for code without a tag.</param>
/// <param name="BudgetBytes">Limit of its live bytes; 0 for no limit.</param>
/// <param name="AllocatedBytes">Their bytes, rounded up to size classes.</param>
/// <param name="FreeCount">Blocks freed, with those of reset and disposed arenas.</param>
/// <param name="PeakBytes">
/// Most live bytes at the end of a frame, where a <see cref="Profiler"/> watched; else those of the snapshot.
/// </param>
public readonly record struct TagRow(
    int Number,
    RowName Name,
    long BudgetBytes,
    long AllocationCount,
    long AllocatedBytes,
    long FreeCount,
    long FreedBytes,
    long PeakBytes)
{
    /// <summary>
    /// Bytes allocated less bytes freed while the tag was in force: its live bytes where each tag frees its own blocks;
    /// below 0 after it freed blocks of other tags. Reports do not show it.
    /// </summary>
    public long LiveBytes => AllocatedBytes - FreedBytes;
    internal string Text => Number == 0 ? AllocationTag.TextOf(0) : Name.ToString();
}

/// <summary>The owner of a SuperSlab.</summary>
public enum SuperSlabState : byte
{
    /// <summary>None, and no memory behind it; or in transit from or to the system.</summary>
    [JsonStringEnumMemberName("free")]
    Free,

    /// <summary>The retained reserve: prefaulted, available without an OS call.</summary>
    [JsonStringEnumMemberName("ready")]
    Ready,

    /// <summary>An arena, which divides it into slabs or lanes.</summary>
    [JsonStringEnumMemberName("owned")]
    Owned,

    /// <summary>An arena; one block or the lanes of a frame arena span several SuperSlabs.</summary>
    [JsonStringEnumMemberName("extent")]
    Extent,
}

/// <summary>One SuperSlab.</summary>
public readonly struct SuperSlabRow
{
    /// <summary>Slabs in a SuperSlab.</summary>
    public const int SlabCount = SlabGeometry.SlabCount;

    /// <summary>Index in the reservation, in SuperSlabs.</summary>
    public int Index { get; init; }
    public SuperSlabState State { get; init; }

    /// <summary>The kind of pages last put behind it.</summary>
    public PageKind Pages { get; init; }

    /// <summary>The number of the arena that owns it; 0 for none.</summary>
    public int ArenaNumber { get; init; }

    /// <summary>Bytes of blocks outside their runs: callers' and caches'. 2 MiB under lanes and live extents.</summary>
    public long UsedBytes { get; init; }

    /// <summary>
    /// The block bytes of each slab's size class, 0 for a free slab; empty for a SuperSlab that is not divided into
    /// slabs. Allocates; see <see cref="BlockBytesOf"/>.
    /// </summary>
    public IReadOnlyList<long> Slabs
    {
        get
        {
            long[] slabs = new long[IsDivided ? SlabCount : 0];
            for (int slab = 0; slab < slabs.Length; slab++)
                slabs[slab] = BlockBytesOf(slab);

            return slabs;
        }
        init
        {
            // Null where a file lacks them.
            if (value?.Count > SlabCount)
                throw new ArgumentException($"A SuperSlab has {SlabCount} slabs, not {value.Count}.", nameof(value));

            SlabClasses classes = default;
            for (int slab = 0; slab < value?.Count; slab++)
                classes[slab] = value[slab] == 0 ? (byte)0 : SlabClasses.Of(SizeClasses.IndexOf((nuint)value[slab]));

            (Classes, IsDivided) = (classes, value?.Count > 0);
        }
    }

    internal string StateText => State switch
    {
        SuperSlabState.Ready => "ready",
        SuperSlabState.Owned => "owned",
        SuperSlabState.Extent => "extent",
        _ => "free",
    };

    internal bool IsDivided { get; init; }
    internal SlabClasses Classes { get; init; }

    /// <summary>
    /// The block bytes of a slab's size class; 0 for a free slab, for lanes, and for blocks above 32 MiB.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slab.</exception>
    public long BlockBytesOf(int slab)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slab);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slab, SlabCount);
        return Classes[slab] == 0 ? 0 : (long)SizeClasses.BlockBytes(Classes[slab] - 1);
    }

    /// <summary>A class and 1 for each slab; 0 for those that have none.</summary>
    [InlineArray(SlabCount)]
    internal struct SlabClasses
    {
        private byte _first;

        public static byte Of(int sizeClass) => (byte)(sizeClass + 1);
    }
}

/// <summary>
/// A name in a row: text without a managed object. Any name that a plan can give has room. A longer one is cut between
/// characters and ends in a number that differs from name to name: "a long na~1f3c9a02". Immutable.
/// </summary>
[JsonConverter(typeof(JsonText))]
public readonly struct RowName : IEquatable<RowName>, IUtf8SpanFormattable
{
    /// <summary>A scene's name of 100 characters, ": ", and an arena's of 64, each of them two UTF-16 units.</summary>
    private const int MaximumLength = 2 * (100 + 2 + 64);

    private const int NumberLength = 9; // "~1f3c9a02"

    private readonly Characters _characters;

    public RowName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        Span<char> room =
            MemoryMarshal.CreateSpan(ref Unsafe.As<Characters, char>(ref _characters), MaximumLength);
        if (name.Length <= MaximumLength)
        {
            name.CopyTo(room);
            Length = name.Length;
        }
        else
        {
            ReadOnlySpan<char> start = CutText.Start(name, MaximumLength - NumberLength);
            room.TryWrite(CultureInfo.InvariantCulture, $"{start}~{Hash(name):x8}", out int written);
            Length = written;
        }
    }

    public int Length { get; }

    private ReadOnlySpan<char> Text => MemoryMarshal.CreateReadOnlySpan(
        ref Unsafe.As<Characters, char>(ref Unsafe.AsRef(in _characters)), MaximumLength)[..Length];

    public static bool operator ==(RowName left, RowName right) => left.Equals(right);

    public static bool operator !=(RowName left, RowName right) => !left.Equals(right);

    /// <summary>Whether this is the name given, which <see cref="RowName"/> would have cut off alike.</summary>
    public bool Is(string name) => Equals(new RowName(name));

    public bool Equals(RowName other) => Text.SequenceEqual(other.Text);

    public override bool Equals(object? obj) => obj is RowName other && Equals(other);

    public override int GetHashCode() => string.GetHashCode(Text);

    /// <summary>Writes the name in UTF-8, without a managed object; in the hot loop. Format and provider have no
    /// effect.</summary>
    /// <returns>Whether there was room; if not, nothing counts as written.</returns>
    public bool TryFormat(
        Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format = default,
        IFormatProvider? provider = null)
    {
        bool fits = Utf8.FromUtf16(Text, utf8Destination, out _, out bytesWritten) == OperationStatus.Done;
        bytesWritten = fits ? bytesWritten : 0;
        return fits;
    }

    /// <summary>The name as a new string.</summary>
    public override string ToString() => new(Text);

    /// <summary>FNV-1a (Fowler, Noll, Vo), which is the same in every process.</summary>
    private static uint Hash(string name)
    {
        uint hash = 2166136261;
        foreach (char character in name)
            hash = unchecked((hash ^ character) * 16777619);

        return hash;
    }

    [InlineArray(MaximumLength)]
    private struct Characters
    {
        private char _first;
    }

    internal sealed class JsonText : JsonConverter<RowName>
    {
        public override RowName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(reader.GetString() ?? "");

        public override void Write(Utf8JsonWriter writer, RowName value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Text);
    }
}
