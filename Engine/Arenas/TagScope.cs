namespace Engine.Arenas;

/// <summary>A tag in force on the calling thread until this is disposed; see <see cref="AllocationTag.Begin"/>.</summary>
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

    /// <summary>Goes back to the tag that was in force before. Called on the same thread, once, the inner scopes first.</summary>
    public void Dispose()
    {
        if (_current != null)
        {
            *_current = _outer;
        }
    }
}
