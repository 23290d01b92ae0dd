namespace Engine.Platform;

/// <summary>One line of /proc/self/maps.</summary>
internal struct ProcessMapping
{
    public nuint Start;
    public nuint End;
    public bool IsWritable;
    public bool IsExecutable;
    public bool IsShared;

    /// <summary>Where its file's content begins in the file.</summary>
    public nuint FileOffset;

    /// <summary>The file's path, or the kernel's name for it; null for anonymous memory.</summary>
    public string? Path;

    public readonly bool IsAnonymous => Path is null && !IsShared;
}
