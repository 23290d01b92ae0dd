namespace Samples.GameReplay.Learning;

/// <summary>
/// One thread's count for one block size. The step's figures are set to 0 at each meeting; "prefix" is the largest sum that
/// the thread's own order reaches within the step, counted from its beginning.
/// </summary>
internal struct Tally
{
    public long Allocations;
    public long Frees;

    /// <summary>In this step: blocks made less blocks freed by the thread, and its prefix.</summary>
    public long StepNet;
    public long StepPrefix;

    /// <summary>Whether anything was counted in this step.</summary>
    public bool IsTouched;
}
