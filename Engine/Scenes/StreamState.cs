namespace Engine.Scenes;

/// <summary>How far a <see cref="StreamedScene"/> is.</summary>
public enum StreamState
{
    /// <summary>Not loaded: never, or not any more.</summary>
    Unloaded,

    /// <summary>Waiting for a thread of the loader, or being loaded by it.</summary>
    Loading,

    /// <summary>Loaded: the scene may be used.</summary>
    Loaded,

    /// <summary>Waiting to be unloaded, or being unloaded.</summary>
    Unloading,

    /// <summary>The load failed or was cancelled; nothing was left behind. It may be begun again.</summary>
    Failed,
}
