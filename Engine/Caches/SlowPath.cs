namespace Engine.Caches;

/// <summary>
/// Says, while it is not disposed, that the calling thread is in a slow path and may hold its cache in its hands: nobody takes from that
/// cache then, even when the thread waits. See <see cref="ArenaCaches"/>.
/// </summary>
internal readonly unsafe ref struct SlowPath
{
    private readonly nint* _depth;

    public SlowPath(int slot)
    {
        _depth = ThreadSlots.DepthOf(slot);
        ++*_depth;
    }

    public static SlowPath Enter() => new(ThreadSlots.Take());

    public void Dispose() => --*_depth;
}
