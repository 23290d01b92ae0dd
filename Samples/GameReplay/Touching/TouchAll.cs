using System.Runtime.CompilerServices;

namespace Samples.GameReplay.Touching;

/// <summary>Writes every byte.</summary>
internal readonly struct TouchAll : ITouch
{
    // The block operation counts in 32 bits.
    private const nuint PieceBytes = 1 << 30;

    /// <inheritdoc/>
    public static bool Checks => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        for (nuint offset = 0; offset < bytes; offset += PieceBytes)
        {
            Unsafe.InitBlockUnaligned(ref Unsafe.Add(ref block, offset), (byte)tag, (uint)nuint.Min(bytes - offset, PieceBytes));
        }
    }

    /// <inheritdoc/>
    public static void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag)
    {
        if (bytes > oldBytes)
        {
            Fresh(ref Unsafe.Add(ref block, oldBytes), bytes - oldBytes, tag, 0, zeroed: false);
        }
    }

    /// <inheritdoc/>
    public static void Check(ref byte block, nuint bytes, uint tag, string moment)
    {
    }
}
