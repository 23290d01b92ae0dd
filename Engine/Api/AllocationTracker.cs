namespace SuperSlab;

/// <summary>
/// Remembers the live blocks of one arena. The arena's threads hold no blocks back while it is tracked, so every allocation and free
/// comes by the slow path, and there to this. Any thread. Managed memory: call stacks are kept once each, however many blocks they made.
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

    /// <summary>Forgets a block that may be about to move; <see cref="Put"/> says where it is then. Its old address may be another block's by that time.</summary>
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

    /// <summary>The block has another size than before, where it stands or, with <paramref name="to"/> another address, elsewhere, without being allocated anew.</summary>
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

        live.Sort(static (left, right) => ((ulong)right.Bytes * (ulong)right.Count).CompareTo((ulong)left.Bytes * (ulong)left.Count));
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
