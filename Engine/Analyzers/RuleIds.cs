namespace SuperSlab.Analyzers;

/// <summary>The numbers of the rules. docs/analyzers.md has a section for each, by that number.</summary>
public static class RuleIds
{
    /// <summary>A scope or a mark is not ended.</summary>
    public const string OpenScope = "SSE0001";

    /// <summary>Memory of a frame is kept beyond its frame.</summary>
    public const string KeptFrameMemory = "SSE0002";

    /// <summary>What belongs to one thread is used on another.</summary>
    public const string OtherThread = "SSE0003";

    /// <summary>A list may grow inside a frame.</summary>
    public const string GrowthInFrame = "SSE0004";

    /// <summary>A copy of a container is disposed.</summary>
    public const string DisposedCopy = "SSE0005";

    /// <summary>A block goes back to another arena.</summary>
    public const string OtherArena = "SSE0006";

    /// <summary>A frame begins and does not end.</summary>
    public const string OpenFrame = "SSE0007";

    /// <summary>A managed type stands where memory must be unmanaged.</summary>
    public const string ManagedType = "SSE0008";
}
