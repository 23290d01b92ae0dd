namespace SuperSlab.Scenes;

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

/// <summary>One error of a scene plan.</summary>
/// <param name="Path">
/// Where in the document: "arenas.world.budget.hard", "line 3, column 5" where it is no JSON, and "common.json: name" in a base plan.
/// </param>
/// <param name="Found">What stands there.</param>
/// <param name="Allowed">What may stand there.</param>
public sealed record ScenePlanError(string Path, string Found, string Allowed)
{
    /// <summary>The error as a sentence.</summary>
    public override string ToString() => $"{Path}: found {Found}; allowed: {Allowed}.";
}
