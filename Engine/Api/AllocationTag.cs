namespace SuperSlab;

/// <summary>
/// Names what a part of the program allocates for. A scope puts it in force on the calling thread; scopes nest.
/// <code>
/// private static readonly AllocationTag s_terrain = AllocationTag.Register("terrain", budgetBytes: 64 &lt;&lt; 20);
/// ...
/// using (s_terrain.Begin())
/// {
///     tile = arena.Allocate(65536);
/// }
/// </code>
/// Arenas that track their blocks (<see cref="ArenaTracking"/>) remember the tag with each. Where
/// <see cref="MemoryCounters"/> are on, what is allocated and freed in long-lived arenas while the tag is in force is
/// counted for it, and a profiler shows its live and peak bytes beside its budget; where they are off, nothing is
/// counted. Live bytes are those allocated less those freed while the tag was in force: a block that is freed under
/// another tag is taken from that one, which may fall below zero. Which tag allocated what lives is estimated where a
/// profiler samples allocations, and known block by block with <see cref="ArenaTracking"/>. When an arena is reset or
/// disposed, what it held is taken from all tags.
/// </summary>
public sealed class AllocationTag
{
    /// <summary>How many tags a process can have.</summary>
    public const int MaximumCount = ThreadCounters.Tags - 1;

    private static readonly AllocationTag?[] s_tags = new AllocationTag?[ThreadCounters.Tags];
    private static readonly Lock s_lock = new();
    private static int s_count = 1;

    private readonly nint _cell;
    private nuint _budgetBytes;

    private AllocationTag(string name, int index)
    {
        Name = name;
        _cell = ThreadCounters.OffsetOf(index);
    }

    /// <summary>The name it was registered by.</summary>
    public string Name { get; }

    /// <summary>The bytes that may live under it; 0 is no limit. Profiles and the rule tagOverrun compare it at the end
    /// of frames.</summary>
    public nuint BudgetBytes
    {
        get => Volatile.Read(ref _budgetBytes);
        set => Volatile.Write(ref _budgetBytes, value);
    }

    /// <summary>Tags so far, and the one of code without a tag, which has the number 0.</summary>
    internal static int Count => Volatile.Read(ref s_count);

    /// <summary>The name of the tag in force on the calling thread; null where there is none.</summary>
    internal static unsafe string? CurrentName =>
        ThreadSlots.Current == 0 ? null : Of(ThreadCounters.TagAt(*ThreadSlots.CurrentTag))?.Name;

    /// <summary>Makes a tag, or finds the one of that name. At start-up; tags are never removed. Any thread.</summary>
    /// <param name="name">What reports call it.</param>
    /// <param name="budgetBytes">How many bytes may live under it; 0, the default, leaves its limit as it is.</param>
    /// <exception cref="EngineMemoryException">There are <see cref="MaximumCount"/> already.</exception>
    public static AllocationTag Register(string name, nuint budgetBytes = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        lock (s_lock)
        {
            AllocationTag? tag = Array.Find(s_tags, known => known?.Name == name);
            if (tag is null)
            {
                if (s_count == ThreadCounters.Tags)
                {
                    throw new EngineMemoryException(
                        $"Tag '{name}' cannot be registered: there are {MaximumCount} already, which is the most.");
                }

                tag = new AllocationTag(name, s_count);
                s_tags[s_count] = tag;
                Volatile.Write(ref s_count, s_count + 1);
            }

            tag.BudgetBytes = budgetBytes == 0 ? tag.BudgetBytes : budgetBytes;
            return tag;
        }
    }

    /// <summary>Puts the tag in force on the calling thread by one write. Hot-loop safe.</summary>
    /// <exception cref="EngineMemoryException">The thread's first use of arenas found no memory for its
    /// slot.</exception>
    public unsafe TagScope Begin() => new(ThreadSlots.CurrentTag, _cell);

    /// <summary>The tag of a number as reports name it.</summary>
    internal static string TextOf(int index) => Of(index)?.Name ?? "(no tag)";

    /// <summary>The tag of a number; null for code without one.</summary>
    internal static AllocationTag? Of(int index) => s_tags[index];
}

/// <summary>A tag in force on the calling thread until this is disposed; see
/// <see cref="AllocationTag.Begin"/>.</summary>
public readonly unsafe ref struct TagScope
{
    private readonly nint* _current;
    private readonly nint _outer;

    internal TagScope(nint* current, nint tag)
    {
        _current = current;
        _outer = *current;
        *current = tag;
    }

    /// <summary>Restores the tag before. Call it once, on the same thread, inner scopes first.</summary>
    public void Dispose()
    {
        if (_current != null)
            *_current = _outer;
    }
}
