namespace Engine.Scenes;

/// <summary>How a <see cref="HotLoopGuard"/> reports. Immutable.</summary>
public sealed record HotLoopGuardOptions
{
    /// <summary>
    /// Where lines for <see cref="HotLoopAction.Log"/> go, on the thread that ends the frame; for a TextWriter, its WriteLine. Null, the
    /// default, is nowhere.
    /// </summary>
    public Action<string>? Log { get; init; }

    /// <summary>At most one line in this time; the line then says how many frames were kept quiet about. Default one second.</summary>
    public TimeSpan LogInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What is called for <see cref="HotLoopAction.Callback"/>, on the thread that ends the frame. Null, the default, is nobody.</summary>
    public Action<HotLoopViolation>? OnViolation { get; init; }

    /// <summary>
    /// How many times the call stack is taken of who asks for memory that is not ready: for the first ones, because each takes some tens of
    /// microseconds and managed memory (which the guard does not count). 0 takes none. Default 8.
    /// </summary>
    public int CallStacks { get; init; } = 8;

    /// <summary>
    /// Whether the addresses of page faults are recorded where the system allows it. It costs a ring buffer for each thread, and makes
    /// frames cheaper, because the system need not be asked whether there were faults. Default true.
    /// </summary>
    public bool FaultAddresses { get; init; } = true;
}
