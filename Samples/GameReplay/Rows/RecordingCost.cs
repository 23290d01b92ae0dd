namespace Samples.GameReplay.Rows;

/// <summary>What recording a plan cost: the work of all frames together, each by its median of the repeats, which took turns.</summary>
/// <param name="Repeats">How often each row was measured.</param>
/// <param name="WorkNanosecondsWithout">Without the recorder.</param>
/// <param name="WorkNanosecondsWith">With it.</param>
/// <param name="PlanNanoseconds">How long the recorder took after the last frame to make the plan, its code being compiled included.</param>
internal sealed record RecordingCost(int Repeats, long WorkNanosecondsWithout, long WorkNanosecondsWith, long PlanNanoseconds)
{
    /// <summary>What the recorder added to the frames, in percent. Below 0 where chance was larger than the cost.</summary>
    public double Percent => Math.Round(100.0 * (WorkNanosecondsWith - WorkNanosecondsWithout) / WorkNanosecondsWithout, 1);
}
