namespace Engine.Tests.Exploring;

/// <summary>The runtime's class of this name, each access a step of the <see cref="Schedule"/>.</summary>
internal static class Volatile
{
    public static ulong Read(ref readonly ulong location)
    {
        Schedule.Step();
        return System.Threading.Volatile.Read(in location);
    }

    public static nint Read(ref readonly nint location)
    {
        Schedule.Step();
        return System.Threading.Volatile.Read(in location);
    }

    public static nuint Read(ref readonly nuint location)
    {
        Schedule.Step();
        return System.Threading.Volatile.Read(in location);
    }

    public static long Read(ref readonly long location)
    {
        Schedule.Step();
        return System.Threading.Volatile.Read(in location);
    }

    public static void Write(ref long location, long value)
    {
        Schedule.Step();
        System.Threading.Volatile.Write(ref location, value);
    }
}

/// <summary>The same.</summary>
internal static class Interlocked
{
    public static ulong CompareExchange(ref ulong location, ulong value, ulong comparand)
    {
        Schedule.Step();
        return System.Threading.Interlocked.CompareExchange(ref location, value, comparand);
    }

    public static long CompareExchange(ref long location, long value, long comparand)
    {
        Schedule.Step();
        return System.Threading.Interlocked.CompareExchange(ref location, value, comparand);
    }
}
