namespace Engine.Scenes;

/// <summary>A frame broke a rule whose action is <see cref="HotLoopAction.Throw"/>. Thrown by <see cref="HotLoopGuard.EndFrame"/>.</summary>
public sealed class HotLoopViolationException : Exception
{
    /// <summary>An exception without a violation.</summary>
    public HotLoopViolationException()
        : base("A frame broke the rules of the hot loop.")
    {
    }

    /// <summary>An exception with a message of its own.</summary>
    public HotLoopViolationException(string message)
        : base(message)
    {
    }

    /// <summary>As above, with the exception that led to this one.</summary>
    public HotLoopViolationException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>An exception that says what the frame did.</summary>
    public HotLoopViolationException(HotLoopViolation violation)
        : base(violation?.CallStack is null ? violation?.ToString() : violation + Environment.NewLine + violation.CallStack) => Violation = violation;

    /// <summary>What the frame did.</summary>
    public HotLoopViolation? Violation { get; }
}
