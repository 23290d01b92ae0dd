using Engine.Core;

namespace Engine.Arenas;

/// <summary>Rewinds a lane to where it was when the scope began: <c>using FrameScope scope = lane.BeginScope();</c>.</summary>
public readonly ref struct FrameScope
{
    private readonly FrameLane _lane;
    private readonly FrameMark _mark;

    internal FrameScope(FrameLane lane)
    {
        _lane = lane;
        _mark = lane.Mark();
    }

    /// <summary>Ends the scope: what was allocated in it is gone. Hot-loop safe.</summary>
    /// <exception cref="EngineMemoryException">The frame has ended meanwhile, or the lane was rewound to before the scope.</exception>
    /// <exception cref="ObjectDisposedException">The arena was disposed meanwhile.</exception>
    public void Dispose() => _lane.Rewind(_mark);
}
