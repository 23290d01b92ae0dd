// What is written into blocks.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Samples.Common;

namespace Samples.GameReplay.Playing;

/// <summary>What is written into blocks.</summary>
internal enum TouchMode
{
    /// <summary>The first 4 KiB at most, and the last byte.</summary>
    First,

    /// <summary>A byte in each page, and the last one.</summary>
    Pages,

    /// <summary>Every byte.</summary>
    All,

    /// <summary>Every byte, with a pattern that is looked for later.</summary>
    Verify,
}

/// <summary>
/// What is done with the bytes of a block while it lives. A trace does not know what the game wrote, so this is a
/// choice; it is a part of the measured work and the same for every allocator. Static, so that each choice is compiled
/// into the player's loop.
/// </summary>
internal interface ITouch
{
    /// <summary>Whether <see cref="Check"/> looks at anything.</summary>
    static abstract bool Checks { get; }

    /// <summary>A block was allocated. With <paramref name="zeroed"/>, its bytes must be zeros.</summary>
    static abstract void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed);

    /// <summary>A block was resized.</summary>
    static abstract void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag);

    /// <summary>Looks whether a block still has the bytes it was given.</summary>
    static abstract void Check(ref byte block, nuint bytes, uint tag, string moment);
}

/// <summary>What the ways have in common that do not check.</summary>
internal static class Touch
{
    /// <summary>Writes what a block has grown by, as if it were a block of its own.</summary>
    public static void NewPart<TTouch>(ref byte block, nuint oldBytes, nuint bytes, uint tag)
        where TTouch : struct, ITouch
    {
        if (bytes > oldBytes)
            TTouch.Fresh(ref Unsafe.Add(ref block, oldBytes), bytes - oldBytes, tag, 0, zeroed: false);
    }
}

/// <summary>
/// Writes the first 4 KiB at most, and the last byte: as much as most games' blocks have, and of scratch buffers a
/// part.
/// </summary>
internal readonly struct TouchFirst : ITouch
{
    private const uint FirstBytes = 4096;

    public static bool Checks => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        if (bytes > 0)
        {
            Unsafe.InitBlockUnaligned(ref block, (byte)tag, (uint)nuint.Min(bytes, FirstBytes));
            Unsafe.Add(ref block, bytes - 1) = (byte)tag;
        }
    }

    public static void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag) =>
        Touch.NewPart<TouchFirst>(ref block, oldBytes, bytes, tag);

    public static void Check(ref byte block, nuint bytes, uint tag, string moment)
    {
    }
}

/// <summary>
/// Writes a byte in every 4 KiB, and the last one: every page of the block is used, and little else is done.
/// </summary>
internal readonly struct TouchPages : ITouch
{
    private const nuint PageBytes = 4096;

    public static bool Checks => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        for (nuint offset = 0; offset < bytes; offset += PageBytes)
            Unsafe.Add(ref block, offset) = (byte)tag;

        if (bytes > 0)
            Unsafe.Add(ref block, bytes - 1) = (byte)tag;
    }

    public static void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag) =>
        Touch.NewPart<TouchPages>(ref block, oldBytes, bytes, tag);

    public static void Check(ref byte block, nuint bytes, uint tag, string moment)
    {
    }
}

/// <summary>Writes every byte.</summary>
internal readonly struct TouchAll : ITouch
{
    // The block operation counts in 32 bits.
    private const nuint PieceBytes = 1 << 30;

    public static bool Checks => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        for (nuint offset = 0; offset < bytes; offset += PieceBytes)
        {
            Unsafe.InitBlockUnaligned(
                ref Unsafe.Add(ref block, offset), (byte)tag, (uint)nuint.Min(bytes - offset, PieceBytes));
        }
    }

    public static void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag) =>
        Touch.NewPart<TouchAll>(ref block, oldBytes, bytes, tag);

    public static void Check(ref byte block, nuint bytes, uint tag, string moment)
    {
    }
}

/// <summary>
/// Fills every byte of a block with a pattern made of the block's number and the byte's place, and looks for it when
/// the block is resized, when it is freed, and at the end. Two blocks that overlap, a block that moved without its
/// content, and cleared memory that was not cleared all show.
/// </summary>
internal readonly unsafe struct TouchVerify : ITouch
{
    private const int WordBytes = sizeof(ulong);

    public static bool Checks => true;

    public static void Fresh(ref byte block, nuint bytes, uint tag, byte alignmentShift, bool zeroed)
    {
        // Native, or pinned: arrays with an alignment are.
        if (alignmentShift > 0 && ((nuint)Unsafe.AsPointer(ref block) & (((nuint)1 << alignmentShift) - 1)) != 0)
        {
            throw new RunFailedException(
                $"block {tag} of {FigureText.ExactBytes((long)bytes)} is not aligned to "
                + FigureText.ExactBytes(1L << alignmentShift));
        }

        if (zeroed)
            CheckZeros(ref block, bytes, tag);

        Fill(ref block, 0, bytes, tag);
    }

    public static void Resized(ref byte block, nuint oldBytes, nuint bytes, uint tag)
    {
        Check(ref block, nuint.Min(oldBytes, bytes), tag, "after it was resized");
        if (bytes > oldBytes)
            Fill(ref block, oldBytes, bytes, tag);
    }

    public static void Check(ref byte block, nuint bytes, uint tag, string moment)
    {
        nuint offset = 0;
        for (; offset + WordBytes <= bytes; offset += WordBytes)
        {
            if (Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref block, offset)) != Word(tag, offset))
                break;
        }

        for (; offset < bytes; offset++)
        {
            if (Unsafe.Add(ref block, offset) != Byte(tag, offset))
                ThrowChanged(tag, bytes, offset, moment);
        }
    }

    private static void Fill(ref byte block, nuint from, nuint bytes, uint tag)
    {
        nuint offset = from;
        for (; offset < bytes && offset % WordBytes != 0; offset++)
            Unsafe.Add(ref block, offset) = Byte(tag, offset);

        for (; offset + WordBytes <= bytes; offset += WordBytes)
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref block, offset), Word(tag, offset));

        for (; offset < bytes; offset++)
            Unsafe.Add(ref block, offset) = Byte(tag, offset);
    }

    private static void CheckZeros(ref byte block, nuint bytes, uint tag)
    {
        for (nuint offset = 0; offset < bytes; offset++)
        {
            if (Unsafe.Add(ref block, offset) != 0)
            {
                throw new RunFailedException(
                    $"block {tag} of {FigureText.ExactBytes((long)bytes)} was to be zeros, and is not at byte "
                        + $"{offset}");
            }
        }
    }

    private static ulong Word(uint tag, nuint offset) =>
        ((((ulong)tag + 1) * 0x9E3779B97F4A7C15UL) ^ ((offset / WordBytes) * 0xC2B2AE3D27D4EB4FUL)) | 1;

    private static byte Byte(uint tag, nuint offset) => (byte)(Word(tag, offset) >> (int)(offset % WordBytes * 8));

    [DoesNotReturn]
    private static void ThrowChanged(uint tag, nuint bytes, nuint offset, string moment) =>
        throw new RunFailedException(
            $"block {tag} of {FigureText.ExactBytes((long)bytes)} has a changed byte at {offset}, found {moment}");
}
