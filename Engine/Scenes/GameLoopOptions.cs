namespace Engine.Scenes;

/// <summary>How a <see cref="GameLoop"/> runs. Immutable.</summary>
public sealed record GameLoopOptions
{
    /// <summary>The length of a step of the world in seconds. Default 1/60.</summary>
    public double StepSeconds { get; init; } = 1.0 / 60;

    /// <summary>
    /// The most steps in one frame. When more time has passed (a hitch, or steps that take longer than they last), the rest is dropped and
    /// the world runs slower than real time, instead of each frame having more to do than the one before. Default 5.
    /// </summary>
    public int MaximumSteps { get; init; } = 5;

    /// <summary>The least time from a frame's beginning to the next in seconds: 0, the default, begins the next at once.</summary>
    public double PaceSeconds { get; init; }

    /// <summary>Brackets each frame, waiting excluded. Null, the default, does not.</summary>
    public HotLoopGuard? Guard { get; init; }

    /// <summary>The clock. Default the system's.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    internal void Validate()
    {
        Check(StepSeconds is > 0 and <= 10, nameof(StepSeconds), StepSeconds, "above 0 and at most 10");
        Check(MaximumSteps is >= 1 and <= 1000, nameof(MaximumSteps), MaximumSteps, "from 1 to 1,000");
        Check(PaceSeconds is >= 0 and <= 10, nameof(PaceSeconds), PaceSeconds, "from 0 to 10");
    }

    private static void Check(bool holds, string name, object value, string allowed)
    {
        if (!holds)
        {
            throw new ArgumentOutOfRangeException(name, value, $"GameLoopOptions.{name} is {value}; it must be {allowed}.");
        }
    }
}
