namespace Engine.Scenes;

/// <summary>What is done when a frame breaks a <see cref="HotLoopRule"/>.</summary>
public enum HotLoopAction
{
    /// <summary>It is counted, nothing else.</summary>
    Count,

    /// <summary>It is counted and reported, at a limited rate.</summary>
    Log,

    /// <summary>It is counted, and the end of the frame throws.</summary>
    Throw,

    /// <summary>It is counted, and the game's own function is called.</summary>
    Callback,
}
