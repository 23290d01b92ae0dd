namespace Engine.Scenes;

/// <summary>Base plans from a function of the caller's: a packed file, an editor's open documents.</summary>
internal sealed class FunctionSource(Func<string, byte[]?> resolve) : PlanSource
{
    /// <inheritdoc/>
    public override PlanDocument? Find(string reference, PlanDocument from, out string allowed)
    {
        allowed = "the name of a plan that exists";
        byte[]? utf8 = resolve(reference);
        return utf8 is null ? null : new PlanDocument(reference, utf8);
    }
}
