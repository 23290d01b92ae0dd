namespace Engine.Platform;

/// <summary>The systems that the platform folder tells apart.</summary>
[Flags]
internal enum SystemKinds
{
    None = 0,
    Linux = 1,
    Windows = 2,
    Mac = 4,
    OtherPosix = 8,
}
