namespace Engine.Scenes;

/// <summary>Where base plans come from.</summary>
internal abstract class PlanSource
{
    /// <summary>The document that <paramref name="from"/> calls <paramref name="reference"/>, or null with what is allowed instead.</summary>
    public abstract PlanDocument? Find(string reference, PlanDocument from, out string allowed);
}
