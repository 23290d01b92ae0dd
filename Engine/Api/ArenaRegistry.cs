namespace SuperSlab;

/// <summary>
/// The living arenas by number. A number marks an arena's slabs (see Reservation.Tags), and is given out again only
/// when all others were: what a disposed arena left behind, as a handle or an entry in a table, carries a number that
/// no living arena has.
/// </summary>
internal sealed class ArenaRegistry
{
    public const int TagShift = 8;

    /// <summary>One less than fits a tag: the last one is nobody's.</summary>
    private const int MaximumNumber = (1 << (32 - TagShift)) - 2;

    /// <summary>The most names of disposed arenas that are kept apart.</summary>
    private const int MostDisposedNames = 256;

    private readonly List<Entry> _living = [];
    private readonly Dictionary<(string Name, bool IsFrame), (long Count, long PeakBytes)> _disposed = [];
    private readonly Dictionary<int, Entry> _byNumber = [];
    private readonly Lock _lock = new();
    private int _lastNumber;
    private long _overflows;

    /// <summary>The work that goes on in the memory whose arenas these are.</summary>
    public WorkGate Work { get; } = new();

    /// <summary>How often a lane of any frame arena needed more memory than it had; only rises.</summary>
    public long Overflows => Volatile.Read(ref _overflows);

    /// <returns>The tag of the new arena: its number, shifted past the size class.</returns>
    public uint Add(IArena arena)
    {
        lock (_lock)
        {
            if (_living.Count == MaximumNumber)
                throw new EngineMemoryException($"{MaximumNumber} arenas are alive, which is the most.");

            do
            {
                _lastNumber = (_lastNumber % MaximumNumber) + 1;
            }
            while (_byNumber.ContainsKey(_lastNumber));

            Entry entry = new(arena, _lastNumber);
            _byNumber.Add(entry.Number, entry);
            _living.Add(entry);
            return (uint)entry.Number << TagShift;
        }
    }

    /// <summary>While it is held no arena is made, shown, hidden or removed by others.</summary>
    public Lock.Scope Hold() => _lock.EnterScope();

    /// <summary>From now on readers are shown the arena: it is complete.</summary>
    public void Show(uint tag)
    {
        lock (_lock)
            _byNumber[NumberOf(tag)].IsShown = true;
    }

    /// <summary>Hides an arena from readers and waits for current ones; its tables may be freed afterwards.</summary>
    public void Hide(uint tag)
    {
        lock (_lock)
        {
            Entry entry = _byNumber[NumberOf(tag)];
            entry.IsShown = false;
            NoteDisposal(entry.Arena);
        }
    }

    /// <summary>The arenas that were disposed, by name; the largest first.</summary>
    public IReadOnlyList<(string Name, bool IsFrame, long Count, long PeakBytes)> Disposed()
    {
        lock (_lock)
        {
            return
            [
                .. _disposed.Select(one => (one.Key.Name, one.Key.IsFrame, one.Value.Count, one.Value.PeakBytes))
                    .OrderByDescending(one => one.PeakBytes).ThenBy(one => one.Name, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>Whether readers are shown the living arena with this tag.</summary>
    public bool IsShown(uint tag)
    {
        lock (_lock)
            return _byNumber.TryGetValue(NumberOf(tag), out Entry? entry) && entry.IsShown;
    }

    /// <summary>Shows each complete arena to the reader, newest last; none is disposed meanwhile. The reader must not
    /// make or dispose arenas.</summary>
    public void Read<TReader>(ref TReader reader)
        where TReader : struct, IArenaReader, allows ref struct
    {
        lock (_lock)
        {
            foreach (Entry entry in _living)
            {
                if (entry.IsShown)
                    reader.Read(entry.Arena, entry.Number);
            }
        }
    }

    /// <summary>Has each complete arena return unused memory because another has no room. None is disposed
    /// meanwhile.</summary>
    public void Reclaim()
    {
        Reclaimer reclaimer = default;
        Read(ref reclaimer);
    }

    public void CountOverflow() => Interlocked.Increment(ref _overflows);

    public void Remove(uint tag)
    {
        lock (_lock)
        {
            if (_byNumber.Remove(NumberOf(tag), out Entry? entry))
                _living.Remove(entry);
        }
    }

    /// <summary>The living arena with this tag, or null.</summary>
    public IArena? Find(uint tag)
    {
        lock (_lock)
            return _byNumber.TryGetValue(NumberOf(tag), out Entry? entry) ? entry.Arena : null;
    }

    /// <summary>The name of the arena with this tag, for messages.</summary>
    public string NameOf(uint tag)
    {
        lock (_lock)
        {
            int number = NumberOf(tag);
            return _byNumber.TryGetValue(number, out Entry? entry) ? entry.Arena.Name : number <= _lastNumber
                ? "(disposed)" : "(unknown)";
        }
    }

    /// <summary>The living arenas, the newest last.</summary>
    public IArena[] Snapshot()
    {
        lock (_lock)
            return [.. _living.Select(entry => entry.Arena)];
    }

    /// <summary>The living arenas that are complete, the newest last: one may be disposed by then.</summary>
    public IArena[] Complete()
    {
        lock (_lock)
            return [.. _living.Where(entry => entry.IsShown).Select(entry => entry.Arena)];
    }

    private struct Reclaimer : IArenaReader
    {
        public readonly void Read(IArena arena, int number)
        {
            try
            {
                (arena as LongLivedArena)?.Caches.Reclaim();
            }
            catch (EngineMemoryException)
            {
                // A wrong free of that arena's user: its own trim tells it. It is not the fault of who asks for room.
            }
        }
    }

    private void NoteDisposal(IArena arena)
    {
        int superSlabs = arena is LongLivedArena longLived ? longLived.PeakSuperSlabCount : arena.SuperSlabCount;
        (string Name, bool IsFrame) key = (arena.Name, arena is FrameArena);
        if (_disposed.Count >= MostDisposedNames && !_disposed.ContainsKey(key))
            key.Name = "(others)";

        (long count, long peak) = _disposed.GetValueOrDefault(key);
        _disposed[key] = (count + 1, Math.Max(peak, (long)superSlabs << SlabGeometry.SuperSlabShift));
    }

    private static int NumberOf(uint tag) => (int)(tag >> TagShift);

    private sealed class Entry(IArena arena, int number)
    {
        public IArena Arena => arena;

        public int Number => number;

        public bool IsShown { get; set; }
    }
}
