namespace SuperSlab.Scenes;

/// <summary>
/// Work of frames that counts under a name: a part of the frame, such as a <see cref="GameLoop"/>'s "update" and
/// "draw", or a call that the frame's rules leave out, such as a driver's. <see cref="HotLoopGuard.Part"/> and
/// <see cref="HotLoopGuard.Exclude"/> make it. Read it on the guard's thread.
/// </summary>
public sealed class FramePart
{
    private HotLoopCounts _before;
    private HotLoopCounts _lastFrame;

    internal FramePart(string name, bool isExcluded)
    {
        Name = name;
        IsExcluded = isExcluded;
    }

    /// <summary>Its name, as the guard was given it.</summary>
    public string Name { get; }

    /// <summary>Whether the frame does not count it.</summary>
    public bool IsExcluded { get; }

    /// <summary>What all threads did in it during the last frame.</summary>
    public HotLoopCounts LastFrame => _lastFrame;

    /// <summary>What all threads did in it during all frames, those of warm-ups included.</summary>
    public HotLoopCounts Total => _before + _lastFrame;

    /// <summary>The name and the total.</summary>
    public override string ToString() => $"{Name}{(IsExcluded ? " (excluded)" : "")}: {Total}";

    /// <summary>Adds to the last frame.</summary>
    internal void Book(in HotLoopCounts counts) => _lastFrame += counts;

    /// <summary>The next frame begins.</summary>
    internal void Settle()
    {
        _before += _lastFrame;
        _lastFrame = default;
    }
}

/// <summary>Work that counts under a name until this is disposed, on the thread that began it. Hot-loop safe.</summary>
public readonly ref struct FramePartScope : IDisposable
{
    private readonly GuardedThread? _thread;
    private readonly FrameAccount? _entered;
    private readonly FrameAccount? _outer;

    internal FramePartScope(GuardedThread thread, FrameAccount entered, FrameAccount outer)
    {
        _thread = thread;
        _entered = entered;
        _outer = outer;
    }

    /// <summary>Ends the part; the work after it counts as the work before it did.</summary>
    public void Dispose() => _thread?.Leave(_entered!, _outer!);
}

/// <summary>What one thread did in one part, or in the frame outside of parts.</summary>
internal sealed class FrameAccount(FramePart? part)
{
    /// <summary>Since the beginning; the thread writes it.</summary>
    public HotLoopCounts Counts;

    /// <summary>What of <see cref="Counts"/> the guard has taken; the guard's thread writes it.</summary>
    public HotLoopCounts Seen;

    /// <summary>Whether <see cref="Counts"/> has grown: the thread sets it afterwards, the guard's takes it back.</summary>
    public bool IsNew;

    /// <summary>Null for work outside of parts.</summary>
    public FramePart? Part => part;

    public bool IsExcluded => part is { IsExcluded: true };
}
