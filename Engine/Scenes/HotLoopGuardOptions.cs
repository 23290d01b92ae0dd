namespace SuperSlab.Scenes;

/// <summary>How a <see cref="HotLoopGuard"/> reports. Immutable.</summary>
public sealed record HotLoopGuardOptions
{
    /// <summary>
    /// Takes the lines for <see cref="HotLoopAction.Log"/>, on the thread that ends the frame; for a TextWriter, its
    /// WriteLine. Null, the default, drops them.
    /// </summary>
    public Action<string>? Log { get; init; }

    /// <summary>The least time between two lines; a line counts those left out. Default one second.</summary>
    public TimeSpan LogInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The clock of <see cref="LogInterval"/>. Default: the system's.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Is called for <see cref="HotLoopAction.Callback"/>, on the thread that ends the frame.</summary>
    public Action<HotLoopViolation>? OnViolation { get; init; }

    /// <summary>
    /// The number of calls for memory that is not ready whose call stacks are recorded, and of violations whose
    /// compiled methods get their names. Each takes tens of microseconds (for a name, milliseconds), and managed memory
    /// that the guard does not count. Default 8.
    /// </summary>
    public int CallStackCount { get; init; } = 8;

    /// <summary>
    /// Whether the addresses of page faults are recorded where the system allows it, so that faults in the engine's
    /// memory are told from others. It costs a ring buffer for each thread, and makes frames cheaper, as they need not
    /// ask the system whether there were faults. Default true.
    /// </summary>
    public bool FaultAddresses { get; init; } = true;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Clock);
        OptionRange.Check(this, LogInterval >= TimeSpan.Zero, LogInterval, "0 or longer");
        OptionRange.Check(this, CallStackCount >= 0, CallStackCount, "0 or more");
    }
}
