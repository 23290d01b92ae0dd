namespace Samples.LevelStreaming.Rows;

/// <summary>Who serves the walk.</summary>
internal enum RowKind
{
    /// <summary>The engine, each level prewarmed by its recorded plan.</summary>
    Prewarmed,

    /// <summary>The engine without plans: memory comes when it is asked for.</summary>
    Cold,

    /// <summary>Garbage-collected objects.</summary>
    Gc,
}
