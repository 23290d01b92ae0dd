using Engine.Core;

namespace Engine.Arenas;

/// <summary>
/// The living arenas by number. A number marks an arena's slabs (see Reservation.Tags) and is given out again once its arena is gone.
/// </summary>
internal sealed class ArenaRegistry
{
    public const int TagShift = 8;
    private const int MaximumNumber = (1 << (32 - TagShift)) - 1;

    private readonly List<IArena?> _arenas = [null];

    /// <summary>Whether readers are shown the arena: from the end of its making to the beginning of its end.</summary>
    private readonly List<bool> _shown = [false];
    private readonly Stack<int> _free = new();
    private readonly Lock _lock = new();
    private long _overflows;

    /// <summary>How often a lane of any frame arena needed more memory than it had; only rises.</summary>
    public long Overflows => Volatile.Read(ref _overflows);

    /// <returns>The tag of the new arena: its number, shifted past the size class.</returns>
    public uint Add(IArena arena)
    {
        lock (_lock)
        {
            if (!_free.TryPop(out int number))
            {
                number = _arenas.Count;
                if (number > MaximumNumber)
                {
                    throw new EngineMemoryException($"{MaximumNumber} arenas are alive, which is the most.");
                }

                _arenas.Add(null);
                _shown.Add(false);
            }

            _arenas[number] = arena;
            return (uint)number << TagShift;
        }
    }

    /// <summary>While it is held no arena is made, shown, hidden or removed by others.</summary>
    public Lock.Scope Hold() => _lock.EnterScope();

    /// <summary>From now on readers are shown the arena: it is complete.</summary>
    public void Show(uint tag)
    {
        lock (_lock)
        {
            _shown[(int)(tag >> TagShift)] = true;
        }
    }

    /// <summary>From now on readers are not shown it any more. Waits for those that are reading, so that afterwards the arena's tables may go.</summary>
    public void Hide(uint tag)
    {
        lock (_lock)
        {
            _shown[(int)(tag >> TagShift)] = false;
        }
    }

    /// <summary>Whether readers are shown the living arena with this tag.</summary>
    public bool IsShown(uint tag)
    {
        lock (_lock)
        {
            return _shown[(int)(tag >> TagShift)];
        }
    }

    /// <summary>Shows each complete arena to the reader. None is disposed meanwhile. Allocates nothing; the reader must not make or dispose arenas.</summary>
    public void Read<TReader>(ref TReader reader)
        where TReader : struct, IArenaReader, allows ref struct
    {
        lock (_lock)
        {
            for (int number = 1; number < _arenas.Count; number++)
            {
                if (_shown[number] && _arenas[number] is { } arena)
                {
                    reader.Read(arena, number);
                }
            }
        }
    }

    /// <summary>Lets each complete arena give back what nobody uses, because another has no room. None is disposed meanwhile.</summary>
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
            int number = (int)(tag >> TagShift);
            _arenas[number] = null;
            _shown[number] = false;
            _free.Push(number);
        }
    }

    /// <summary>The living arena with this tag, or null.</summary>
    public IArena? Find(uint tag)
    {
        lock (_lock)
        {
            int number = (int)(tag >> TagShift);
            return number < _arenas.Count ? _arenas[number] : null;
        }
    }

    /// <summary>The name of the arena with this tag, for messages.</summary>
    public string NameOf(uint tag)
    {
        lock (_lock)
        {
            int number = (int)(tag >> TagShift);
            return number < _arenas.Count ? _arenas[number]?.Name ?? "(disposed)" : "(unknown)";
        }
    }

    /// <summary>The living arenas, the newest last.</summary>
    public IArena[] Snapshot()
    {
        lock (_lock)
        {
            return [.. _arenas.OfType<IArena>()];
        }
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
}
