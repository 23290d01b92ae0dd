namespace SuperSlab;

/// <summary>
/// Remembers the live blocks of one arena, in managed memory; equal call stacks are stored once. A tracked arena's
/// threads cache no blocks, so every call reaches the tracker by the slow path. Any thread.
/// </summary>
internal sealed class AllocationTracker(ArenaTracking tracking)
{
    private readonly Dictionary<nuint, Origin> _live = [];
    private readonly Dictionary<string, string> _stacks = [];
    private readonly Lock _lock = new();

    public void Add(nuint block, nuint bytes)
    {
        string? stack = tracking == ArenaTracking.CallStacks ? Environment.StackTrace : null;
        lock (_lock)
        {
            if (stack is not null && !_stacks.TryAdd(stack, stack))
                stack = _stacks[stack];

            _live[block] = new Origin(bytes, AllocationTag.CurrentName, stack);
        }
    }

    public void Remove(nuint block)
    {
        lock (_lock)
            _live.Remove(block);
    }

    /// <summary>Takes out a block that may move; <see cref="Put"/> enters it again. Its old address may be reused
    /// meanwhile.</summary>
    public Origin Take(nuint block)
    {
        lock (_lock)
            return _live.Remove(block, out Origin origin) ? origin : default;
    }

    /// <summary>A block that was taken is live again.</summary>
    public void Put(nuint block, Origin origin)
    {
        lock (_lock)
            _live[block] = origin;
    }

    /// <summary>Records the new size of a reallocated block, and its new address where it moved.</summary>
    public void Move(nuint from, nuint to, nuint bytes)
    {
        lock (_lock)
        {
            if (_live.Remove(from, out Origin origin))
                _live[to] = origin with { Bytes = bytes };
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _live.Clear();
            _stacks.Clear();
        }
    }

    /// <summary>Equal blocks together, the most bytes first.</summary>
    public IReadOnlyList<LiveAllocation> Live()
    {
        Dictionary<Origin, long> counts = [];
        lock (_lock)
        {
            foreach (Origin origin in _live.Values)
                counts[origin] = counts.GetValueOrDefault(origin) + 1;
        }

        List<LiveAllocation> live = new(counts.Count);
        foreach ((Origin origin, long count) in counts)
            live.Add(new LiveAllocation(origin.Bytes, count, origin.Tag, origin.CallStack));

        live.Sort(static (left, right) =>
            ((ulong)right.Bytes * (ulong)right.Count).CompareTo((ulong)left.Bytes * (ulong)left.Count));
        return live;
    }

    /// <summary>Where a block came from, and its size in bytes.</summary>
    internal readonly record struct Origin(nuint Bytes, string? Tag, string? CallStack);
}

/// <summary>Live blocks of one size that were allocated for the same purpose at the same place.</summary>
/// <param name="Bytes">The size that was asked for, in bytes, of each.</param>
/// <param name="Count">How many.</param>
/// <param name="Tag">The <see cref="AllocationTag"/> in force when they were allocated, or null.</param>
/// <param name="CallStack">Where they were allocated, or null where call stacks were not recorded.</param>
public readonly record struct LiveAllocation(nuint Bytes, long Count, string? Tag, string? CallStack);
