// Which components an entity has, as one number.

namespace Samples.Common.Entities;

/// <summary>The component types of the process, numbered as they are first used. Any thread.</summary>
internal static class ComponentTypes
{
    /// <summary>As many as a set has bits.</summary>
    public const int Most = 64;

    private static readonly int[] s_bytes = new int[Most];
    private static int s_count;

    /// <exception cref="InvalidOperationException">There are 64 already.</exception>
    public static int Add(int bytes, string name)
    {
        int number = Interlocked.Increment(ref s_count) - 1;
        if (number >= Most)
            throw new InvalidOperationException($"{name} is one component type more than the {Most} there can be.");

        s_bytes[number] = bytes;
        return number;
    }

    /// <summary>The size of a component.</summary>
    public static int BytesOf(int number) => s_bytes[number];
}

/// <summary>The number of a component type.</summary>
internal static unsafe class ComponentType<T>
    where T : unmanaged
{
    public static readonly int Number = ComponentTypes.Add(sizeof(T), typeof(T).Name);
}

/// <summary>A set of component types.</summary>
/// <param name="Bits">A bit for each type.</param>
internal readonly record struct ComponentSet(ulong Bits)
{
    public static ComponentSet Of<T>()
        where T : unmanaged => new(1ul << ComponentType<T>.Number);

    public static ComponentSet Of<T1, T2>()
        where T1 : unmanaged
        where T2 : unmanaged => Of<T1>().With<T2>();

    public static ComponentSet Of<T1, T2, T3>()
        where T1 : unmanaged
        where T2 : unmanaged
        where T3 : unmanaged => Of<T1, T2>().With<T3>();

    public ComponentSet With<T>()
        where T : unmanaged => new(Bits | Of<T>().Bits);

    public ComponentSet Without<T>()
        where T : unmanaged => new(Bits & ~Of<T>().Bits);

    public bool Has<T>()
        where T : unmanaged => (Bits & Of<T>().Bits) != 0;

    public bool ContainsAll(ComponentSet others) => (Bits & others.Bits) == others.Bits;

    public bool ContainsAny(ComponentSet others) => (Bits & others.Bits) != 0;
}
