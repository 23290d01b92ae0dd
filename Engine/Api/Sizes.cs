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
                $"An alignment of {Exact(alignment)} was asked for; it must be a power of two from 1 byte to "
                    + $"{Text(maximum)}.",
                    nameof(alignment));
        }
    }

    /// <summary>A size in a sentence, with three significant digits: "1.5 MiB", "1,023 KiB", "512 bytes".</summary>
    public static string Text(nuint bytes) =>
        bytes < KiB ? Count((long)bytes, "byte", "bytes") : Rounded(bytes, out _);

    /// <summary>A size, or a difference of two, in a table: "1.5 MiB", "-512 B".</summary>
    public static string Cell(long bytes) =>
        (bytes < 0 ? "-" : "") + Rounded((nuint)(bytes < 0 ? 0UL - (ulong)bytes : (ulong)bytes), out _);

    /// <summary>A size to the byte, where somebody compares it: "2 MiB", "97.7 KiB (100,000 bytes)".</summary>
    public static string Exact(nuint bytes)
    {
        string text = Rounded(bytes, out bool isWhole);
        return isWhole ? Text(bytes) : string.Create(CultureInfo.InvariantCulture, $"{text} ({bytes:N0} bytes)");
    }

    /// <summary>A count as a person reads it: "1,234,567".</summary>
    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>"1 page fault", "2,000 page faults".</summary>
    public static string Count(long number, string one, string many) =>
        $"{Number(number)} {(number is 1 or -1 ? one : many)}";

    /// <summary>A value from 0 with three significant digits, and above them with all before the point.</summary>
    internal static string ThreeDigits(decimal value) =>
        Round(value).ToString("#,0.##", CultureInfo.InvariantCulture);

    private static decimal Round(decimal value) =>
        Math.Round(value, value < 10 ? 2 : value < 100 ? 1 : 0, MidpointRounding.AwayFromZero);

    private static string Rounded(nuint bytes, out bool isWhole)
    {
        ReadOnlySpan<string> units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = Math.Min(BitOperations.Log2(bytes) / 10, units.Length - 1);
        decimal value = bytes / (decimal)(1UL << (10 * unit));
        isWhole = Round(value) == value;
        return $"{ThreeDigits(value)} {units[unit]}";
    }

    private static void ThrowNegative(long bytes, string parameter) => throw new ArgumentOutOfRangeException(
        parameter, bytes, $"{parameter} was {Number(bytes)}; it must not be negative.");

    private static void ThrowCount(long count, nuint elementBytes)
    {
        throw new ArgumentOutOfRangeException(
            nameof(count), count,
                $"{Count(count, "element", "elements")} of {Exact(elementBytes)} were asked for; the count must not be "
                    + "negative and the product must fit an address.");
    }
}
