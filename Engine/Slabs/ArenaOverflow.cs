namespace Engine.Slabs;

/// <summary>What happens when an arena wants more than its hard budget.</summary>
public enum ArenaOverflow
{
    /// <summary>It gets it, and the overrun is counted.</summary>
    Grow,

    /// <summary>The allocation fails with an <see cref="Engine.Core.EngineOutOfMemoryException"/>.</summary>
    Fail,

    /// <summary>The budget's callback decides.</summary>
    Callback,
}
