namespace Engine.Scenes;

/// <summary>A scene plan is not valid. <see cref="Errors"/> and the message hold all its errors, up to 100.</summary>
public sealed class ScenePlanException : Exception
{
    /// <summary>An exception without a particular message.</summary>
    public ScenePlanException()
        : base("The scene plan is not valid.")
    {
    }

    /// <summary>An exception whose <paramref name="message"/> is a sentence that says what went wrong.</summary>
    public ScenePlanException(string message)
        : base(message)
    {
    }

    /// <summary>As above, with the exception that led to this one.</summary>
    public ScenePlanException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal ScenePlanException(string message, IReadOnlyList<ScenePlanError> errors)
        : base(message) => Errors = errors;

    /// <summary>The errors, in the order of the document.</summary>
    public IReadOnlyList<ScenePlanError> Errors { get; } = [];
}
