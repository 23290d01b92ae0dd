using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Samples.Common;

namespace Samples.GameReplay.Touching;

/// <summary>
/// Fills every byte of a block with a pattern made of the block's number and the byte's place, and looks for it when the block
/// is resized, when it is freed, and at the end. Two blocks that overlap, a block that moved without its content, and cleared
/// memory that was not cleared all show.
/// </summary>
internal readonly unsafe struct TouchVerify : ITouch
{
    private const int WordBytes = sizeof(ulong);

    /// <inheritdoc/>
    public static bool Checks => true;

    /// <inheritdoc/>
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        // Native, or pinned: arrays with an alignment are.
        if (alignmentShift > 0 && ((nuint)Unsafe.AsPointer(ref block) & (((nuint)1 << alignmentShift) - 1)) != 0)
        {
            throw new RunFailedException($"block {tag} of {bytes} bytes is not aligned to {1L << alignmentShift} bytes");
        }

        if (zeroed)
        {
            CheckZeros(ref block, bytes, tag);
        }

        Fill(ref block, 0, bytes, tag);
    }

    /// <inheritdoc/>
    public static void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag)
    {
        Check(ref block, nuint.Min(oldBytes, bytes), tag, "after it was resized");
        if (bytes > oldBytes)
        {
            Fill(ref block, oldBytes, bytes, tag);
        }
    }

    /// <inheritdoc/>
    public static void Check(ref byte block, nuint bytes, uint tag, string moment)
    {
        nuint offset = 0;
        for (; offset + WordBytes <= bytes; offset += WordBytes)
        {
            if (Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref block, offset)) != Word(tag, offset))
            {
                break;
            }
        }

        for (; offset < bytes; offset++)
        {
            if (Unsafe.Add(ref block, offset) != Byte(tag, offset))
            {
                ThrowChanged(tag, bytes, offset, moment);
            }
        }
    }

    private static void Fill(ref byte block, nuint from, nuint bytes, uint tag)
    {
        nuint offset = from;
        for (; offset < bytes && offset % WordBytes != 0; offset++)
        {
            Unsafe.Add(ref block, offset) = Byte(tag, offset);
        }

        for (; offset + WordBytes <= bytes; offset += WordBytes)
        {
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref block, offset), Word(tag, offset));
        }

        for (; offset < bytes; offset++)
        {
            Unsafe.Add(ref block, offset) = Byte(tag, offset);
        }
    }

    private static void CheckZeros(ref byte block, nuint bytes, uint tag)
    {
        for (nuint offset = 0; offset < bytes; offset++)
        {
            if (Unsafe.Add(ref block, offset) != 0)
            {
                throw new RunFailedException($"block {tag} of {bytes} bytes was to be zeros, and is not at byte {offset}");
            }
        }
    }

    private static ulong Word(uint tag, nuint offset) =>
        ((((ulong)tag + 1) * 0x9E3779B97F4A7C15UL) ^ ((offset / WordBytes) * 0xC2B2AE3D27D4EB4FUL)) | 1;

    private static byte Byte(uint tag, nuint offset) => (byte)(Word(tag, offset) >> (int)(offset % WordBytes * 8));

    [DoesNotReturn]
    private static void ThrowChanged(uint tag, nuint bytes, nuint offset, string moment) =>
        throw new RunFailedException($"block {tag} of {bytes} bytes has a changed byte at {offset}, found {moment}");
}
