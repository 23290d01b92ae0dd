using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>Where a container was made.</summary>
internal readonly record struct ContainerPlace(Type? Type, string File, int Line)
{
    /// <summary>As messages name it: "NativeList&lt;Int32&gt; made at World.cs:12".</summary>
    public override string ToString() => $"{NameOf(Type)} made at {Path.GetFileName(File)}:{Line}";

    private static string NameOf(Type? type)
    {
        if (type is not { IsGenericType: true })
            return type?.Name ?? "A container";

        string name = type.Name;
        int mark = name.IndexOf('`', StringComparison.Ordinal);
        string arguments = string.Join(", ", Array.ConvertAll(type.GenericTypeArguments, argument => NameOf(argument)));
        return $"{(mark < 0 ? name : name[..mark])}<{arguments}>";
    }
}

/// <summary>
/// What is known of each container in arenas with hardened or full checks, so that wrong use is told: use after its
/// dispose, its frame, its arena's reset or end; a copy that is disposed again; a change during an enumeration; two
/// threads that change it at once. Lies in managed memory, apart from what it watches: nothing is read of a container
/// whose memory may be gone. Any thread.
/// </summary>
/// <remarks>
/// A record's stamp changes at the begin and the end of each container it serves, so a handle of a former one is told.
/// Records are used again in the order in which they became free, so that a message still finds where a container was
/// made. Containers that go with their arena or frame are not disposed: their records are looked for when none is free.
/// </remarks>
internal static unsafe class ContainerChecks
{
    private const int PageShift = 10;
    private const int PageLength = 1 << PageShift;

    private static readonly Lock s_lock = new();
    private static readonly Queue<uint> s_free = [];
    private static Record[][] s_pages = [];
    private static uint s_lastStamp = 2;

    /// <summary>An empty header, never written.</summary>
    private static readonly ContainerHeader[] s_noHeader = GC.AllocateArray<ContainerHeader>(1, pinned: true);

    public static ContainerHeader* NoHeader { get; } =
        (ContainerHeader*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(s_noHeader));

    /// <summary>Begins to watch a container.</summary>
    public static ContainerHandle Add(ContainerHeader* header, ContainerPlace place)
    {
        ArenaRef arena = header->Arena;
        lock (s_lock)
        {
            if (s_free.Count == 0)
                MakeRoom();

            uint number = s_free.Dequeue();
            ref Record record = ref At(number);
            record = new Record
            {
                Header = (nint)header,
                Stamp = NextStamp(),
                IsAlive = true,
                Slot = arena.Index,
                Life = arena.Life,
                Arena = arena.ToString(),
                Place = place,
            };
            return ContainerHandle.Checked(number, record.Stamp);
        }
    }

    /// <summary>Ends watching a container, which is disposed.</summary>
    public static ContainerHeader* Remove(ContainerHandle handle)
    {
        lock (s_lock)
        {
            ref Record record = ref Find(handle, writes: false, "is disposed twice: a copy of it was disposed before");
            record.Stamp = NextStamp();
            record.IsAlive = false;
            s_free.Enqueue(handle.Number);
            return (ContainerHeader*)record.Header;
        }
    }

    /// <summary>The header of a container that may be read.</summary>
    public static ContainerHeader* Verify(ContainerHandle handle) =>
        (ContainerHeader*)Find(handle, writes: false).Header;

    /// <summary>The header of a container that may be changed, by this thread alone until <see
    /// cref="EndWrite"/>.</summary>
    public static ContainerHeader* BeginWrite(ContainerHandle handle)
    {
        ref Record record = ref Find(handle, writes: true);
        Enter(handle, ref record.Writer);
        record.Version++;
        return (ContainerHeader*)record.Header;
    }

    public static void EndWrite(ContainerHandle handle) => Volatile.Write(ref At(handle.Number).Writer, 0);

    /// <summary>The header of a container of which this thread alone takes until <see cref="EndTake"/>, while one other
    /// may add.</summary>
    public static ContainerHeader* BeginTake(ContainerHandle handle)
    {
        ref Record record = ref Find(handle, writes: true);
        Enter(handle, ref record.Taker);
        return (ContainerHeader*)record.Header;
    }

    public static void EndTake(ContainerHandle handle) => Volatile.Write(ref At(handle.Number).Taker, 0);

    /// <summary>The header of a container that many threads may change in the same way until their <see
    /// cref="EndTogether"/>, and none in another.</summary>
    public static ContainerHeader* BeginTogether(ContainerHandle handle)
    {
        ref Record record = ref Find(handle, writes: true);
        int writers;
        do
        {
            writers = Volatile.Read(ref record.Writer);
            if (writers > 0)
                ThrowAtOnce(handle, writers);
        }
        while (Interlocked.CompareExchange(ref record.Writer, writers - 1, writers) != writers);

        Interlocked.Increment(ref record.Version);
        return (ContainerHeader*)record.Header;
    }

    public static void EndTogether(ContainerHandle handle) => Interlocked.Increment(ref At(handle.Number).Writer);

    /// <summary>Makes this thread the writer of a container or of a part of it.</summary>
    public static void Enter(ContainerHandle handle, ref int writer)
    {
        int me = Environment.CurrentManagedThreadId;
        int other = Interlocked.CompareExchange(ref writer, me, 0);
        if (other != 0 && other != me)
            ThrowAtOnce(handle, other);
    }

    public static int VersionOf(ContainerHandle handle) => Find(handle, writes: false).Version;

    /// <exception cref="InvalidOperationException">The container was changed since it had a version.</exception>
    public static ContainerHeader* VerifyVersion(ContainerHandle handle, int version)
    {
        ref Record record = ref Find(handle, writes: false);
        if (record.Version != version)
        {
            throw new InvalidOperationException(
                $"{record.Describe()} was changed while it was walked over; change it afterwards.");
        }

        return (ContainerHeader*)record.Header;
    }

    /// <summary>The container as messages name it.</summary>
    public static string Describe(ContainerHandle handle) =>
        handle.Number != 0 ? At(handle.Number).Describe() : "The container";

    /// <exception cref="ArgumentOutOfRangeException">Always.</exception>
    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void ThrowIndex(ContainerHandle handle, long index, long count) =>
        throw new ArgumentOutOfRangeException(
            nameof(index), index, $"{Describe(handle)} has {count} elements, and none at {index}.");

    /// <exception cref="InvalidOperationException">Always.</exception>
    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void ThrowFull(ContainerHandle handle) => throw new InvalidOperationException(
        $"{Describe(handle)} is full; call EnsureCapacity before.");

    /// <exception cref="EngineMemoryException">Always.</exception>
    [DoesNotReturn]
    private static void ThrowAtOnce(ContainerHandle handle, int other)
    {
        string others = other > 0 ? $"threads {other}" : "parallel writers";
        throw new EngineMemoryException(
            $"{Describe(handle)} is changed by {others} and {Environment.CurrentManagedThreadId} at once; "
                + "let one wait for the other.");
    }

    private static ref Record Find(
        ContainerHandle handle, bool writes, string wrong = "is used after it was disposed")
    {
        if (!handle.IsCreated)
        {
            throw new ObjectDisposedException(
                "A container", "It was never made, or is disposed. Its constructor makes one in an arena.");
        }

        ref Record record = ref At(handle.Number);
        if (record.Stamp != handle.Stamp)
        {
            // The record tells where it was made until another container has it.
            string which = record.IsAlive ? "A container" : record.Describe();
            throw new ObjectDisposedException(record.Place.ToString(), $"{which} {wrong}.");
        }

        ArenaSlot slot = ArenaSlots.At(record.Slot)!;
        ContainerHeader* header = (ContainerHeader*)record.Header;
        string? loss = slot.Loss(record.Life, header, writes) ?? slot.Loss(record.Life, header->Data, writes);

        if (loss is not null)
            throw new ObjectDisposedException(record.Place.ToString(), $"{record.Describe()} {loss}.");

        return ref record;
    }

    private static ref Record At(uint number) =>
        ref Volatile.Read(ref s_pages)[number >> PageShift][number & (PageLength - 1)];

    private static uint NextStamp()
    {
        s_lastStamp = s_lastStamp == uint.MaxValue ? 3 : s_lastStamp + 1;
        return s_lastStamp;
    }

    /// <summary>Takes back the records of containers that went with their arena; adds a page where that leaves few
    /// free.</summary>
    private static void MakeRoom()
    {
        for (uint number = 1; number < (uint)s_pages.Length << PageShift; number++)
        {
            ref Record record = ref At(number);
            if (record.IsAlive && ArenaSlots.At(record.Slot)!.Loss(record.Life, null, writes: false) is not null)
            {
                record.Stamp = NextStamp();
                record.IsAlive = false;
                s_free.Enqueue(number);
            }
        }

        if (s_free.Count > s_pages.Length << (PageShift - 1))
            return;

        uint first = (uint)s_pages.Length << PageShift;
        Volatile.Write(ref s_pages, [.. s_pages, new Record[PageLength]]);

        // Number 0 is that of no container.
        for (uint number = Math.Max(first, 1); number < first + PageLength; number++)
            s_free.Enqueue(number);
    }

    private struct Record
    {
        public nint Header;
        public uint Stamp;
        public bool IsAlive;
        public uint Slot;
        public uint Life;
        public int Version;

        /// <summary>The thread that changes it now; 0 for none; below 0 how many do so together.</summary>
        public int Writer;

        /// <summary>The thread that takes from it now; 0 for none.</summary>
        public int Taker;
        public string? Arena;
        public ContainerPlace Place;

        public readonly string Describe() => $"{Place} in {Arena}";
    }
}
