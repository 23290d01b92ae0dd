namespace Engine.Platform;

/// <summary>What became of one step of a chain so far. Written under the chain's lock.</summary>
internal sealed class PrefaultStepRecord(PrefaultStep step)
{
    public PrefaultStep Step { get; } = step;

    /// <summary>What the check of the first SuperSlab said; null until it was made.</summary>
    public string? Verification { get; set; }

    /// <summary>Why it failed last; null when it never did.</summary>
    public string? Failure { get; set; }

    /// <summary>Whether it failed before any policy came into it: the kind of pages was not to be had.</summary>
    public bool FailedForPages { get; set; }

    /// <summary>Whether it is not to be tried again.</summary>
    public bool IsLeft { get; set; }

    /// <summary>How many ranges fell through it to the next step.</summary>
    public long FallenCount { get; set; }
}
