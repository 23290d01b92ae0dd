using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>Size arithmetic in bytes, always in <see cref="nuint"/> and never silently wrapping.</summary>
internal static class Sizes
{
    public const nuint KiB = 1024;
    public const nuint MiB = 1024 * KiB;
    public const nuint GiB = 1024 * MiB;

    /// <summary>The next multiple of a power of two. The caller knows that the sum does not wrap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint AlignUp(nuint value, nuint powerOfTwo) => (value + powerOfTwo - 1) & ~(powerOfTwo - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint DivideRoundingUp(nuint value, nuint divisor) =>
        (value / divisor) + (value % divisor == 0 ? 0u : 1u);

    /// <summary>The bytes of <paramref name="count"/> elements of <typeparamref name="T"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative or the product overflows.</exception>
    public static nuint Of<T>(long count)
        where T : unmanaged
    {
        nuint elementBytes = (nuint)Unsafe.SizeOf<T>();
        if (count < 0 || (nuint)count > nuint.MaxValue / elementBytes)
            ThrowCount(count, elementBytes);

        return (nuint)count * elementBytes;
    }

    /// <summary>A signed size in bytes as the unsigned one that it must be.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Signed(long bytes, string parameter = "bytes")
    {
        if (bytes < 0)
            ThrowNegative(bytes, parameter);

        return checked((nuint)bytes);
    }

    /// <exception cref="ArgumentException">The alignment is not a power of two, or above
    /// <paramref name="maximum"/>.</exception>
    public static void CheckAlignment(nuint alignment, nuint maximum)
    {
        if (!BitOperations.IsPow2(alignment) || alignment > maximum)
        {
            throw new ArgumentException(
                $"An alignment of {alignment} bytes was asked for; it must be a power of two from 1 to {maximum}.",
                    nameof(alignment));
        }
    }

    /// <summary>A size as a person would write it: "3.0 MiB".</summary>
    public static string Text(nuint bytes) => bytes switch
    {
        >= GiB => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)GiB:0.0} GiB"),
        >= MiB => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)MiB:0.0} MiB"),
        >= KiB => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)KiB:0.0} KiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
    };

    /// <summary>"1 page fault", "2 page faults".</summary>
    public static string Count(long number, string one, string many) =>
        string.Create(CultureInfo.InvariantCulture, $"{number} {(number == 1 ? one : many)}");

    private static void ThrowNegative(long bytes, string parameter) => throw new ArgumentOutOfRangeException(
        parameter, bytes, $"{parameter} was {bytes}; it must not be negative.");

    private static void ThrowCount(long count, nuint elementBytes)
    {
        string asked = string.Create(CultureInfo.InvariantCulture, $"{count} elements of {elementBytes} bytes");
        throw new ArgumentOutOfRangeException(
            nameof(count), count,
                $"{asked} were asked for; the count must not be negative and the product must fit an address.");
    }
}
