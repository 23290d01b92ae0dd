namespace Engine.Tests.Support;

/// <summary>Sizes in bytes that may not fit the compiler's idea of a nuint constant.</summary>
internal static class Size
{
    public static nuint MiB(int count) => (nuint)((ulong)count << 20);

    public static nuint GiB(int count) => (nuint)((ulong)count << 30);
}
