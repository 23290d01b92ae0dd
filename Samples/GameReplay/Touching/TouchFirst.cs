using System.Runtime.CompilerServices;

namespace Samples.GameReplay.Touching;

/// <summary>Writes the first 4 KiB at most, and the last byte: as much as most games' blocks have, and of scratch buffers a part.</summary>
internal readonly struct TouchFirst : ITouch
{
    private const uint FirstBytes = 4096;

    /// <inheritdoc/>
    public static bool Checks => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        if (bytes > 0)
        {
            Unsafe.InitBlockUnaligned(ref block, (byte)tag, (uint)nuint.Min(bytes, FirstBytes));
            Unsafe.Add(ref block, bytes - 1) = (byte)tag;
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
