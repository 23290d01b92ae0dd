namespace Engine.Scenes;

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
