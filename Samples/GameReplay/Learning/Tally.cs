namespace Samples.GameReplay.Learning;

/// <summary>
/// One thread's count for one block size. The step's figures are set to 0 at each meeting; "prefix" is the largest sum that
/// the thread's own order reaches within the step, counted from its beginning.
/// </summary>
internal struct Tally
{
    public long Allocations;
    public long Frees;

    /// <summary>Live blocks that the thread allocated, at the last meeting, and the most at any time.</summary>
    public long OwnedLive;
    public long OwnedPeak;

    /// <summary>In this step: blocks made less blocks freed by the thread, and its prefix.</summary>
    public long StepNet;
    public long StepPrefix;

    /// <summary>The same, where only the frees of blocks that it allocated itself count.</summary>
    public long StepOwnNet;
    public long StepOwnPrefix;

    /// <summary>In this step: its blocks freed by others. They may come late, so they lower nothing before the meeting.</summary>
    public long StepFreedByOthers;

    /// <summary>Whether anything was counted in this step.</summary>
    public bool IsTouched;
}
