namespace Samples.GameReplay.Rows;

/// <summary>
/// How much of what a plan prewarmed was used. Used is the most blocks of each class that were out of the arena at once, in bytes: the
/// classes' peaks need not fall together, as memory promised to one class is not lent to another. The rest is waste.
/// </summary>
/// <param name="PrewarmedBytes">SuperSlabs that the scene held after its load.</param>
/// <param name="UsedBytes">Blocks of all classes, each at its own peak.</param>
/// <param name="Arenas">The long-lived arenas of the plan.</param>
internal sealed record PlanUse(long PrewarmedBytes, long UsedBytes, int Arenas)
{
    private const long SuperSlabBytes = 2 * 1024 * 1024;

    /// <summary>Prewarmed and never used.</summary>
    public long WasteBytes => Math.Max(PrewarmedBytes - UsedBytes, 0);

    /// <summary>What may be wasted: a tenth, and two SuperSlabs of each arena for what is left over in runs and SuperSlabs.</summary>
    public long WasteLimitBytes => (PrewarmedBytes / 10) + (2 * SuperSlabBytes * Arenas);
}
