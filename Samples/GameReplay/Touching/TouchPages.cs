using System.Runtime.CompilerServices;

namespace Samples.GameReplay.Touching;

/// <summary>Writes a byte in every 4 KiB, and the last one: every page of the block is used, and little else is done.</summary>
internal readonly struct TouchPages : ITouch
{
    private const nuint PageBytes = 4096;

    /// <inheritdoc/>
    public static bool Checks => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        for (nuint offset = 0; offset < bytes; offset += PageBytes)
        {
            Unsafe.Add(ref block, offset) = (byte)tag;
        }

        if (bytes > 0)
        {
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
