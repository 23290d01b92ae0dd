namespace Engine.Arenas;

/// <summary>
/// Names what the calling thread allocates for, from <see cref="Begin"/> until it is disposed; tags nest. Arenas that track remember it
/// with each block, others do not look. Beginning and ending is one write to the thread's own data: hot-loop safe, any thread.
/// <code>
/// using (AllocationTag.Begin("terrain"))
/// {
///     tile = arena.Allocate(65536);
/// }
/// </code>
/// </summary>
public readonly ref struct AllocationTag
{
    [ThreadStatic]
    private static string? s_current;

    private readonly string? _outer;

    private AllocationTag(string? outer) => _outer = outer;

    internal static string? Current => s_current;

    /// <summary>Begins a tag on the calling thread.</summary>
    /// <param name="name">A constant, so that it makes no garbage; null for none.</param>
    public static AllocationTag Begin(string? name)
    {
        AllocationTag scope = new(s_current);
        s_current = name;
        return scope;
    }

    /// <summary>Goes back to the tag that was in force before. Called on the same thread.</summary>
    public void Dispose() => s_current = _outer;
}
