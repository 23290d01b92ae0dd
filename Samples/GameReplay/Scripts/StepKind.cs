namespace Samples.GameReplay.Scripts;

/// <summary>Which part of the game's run a step belongs to.</summary>
internal enum StepKind
{
    /// <summary>Before the first frame was presented: replayed, not measured.</summary>
    Loading,

    /// <summary>All that happened between two presented frames.</summary>
    Frame,

    /// <summary>After the last frame was presented: replayed, not measured.</summary>
    Unloading,
}
