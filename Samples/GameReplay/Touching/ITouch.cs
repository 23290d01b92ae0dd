namespace Samples.GameReplay.Touching;

/// <summary>
/// What is done with the bytes of a block while it lives. A trace does not know what the game wrote, so this is a choice; it is
/// a part of the measured work and the same for every allocator. Static, so that each choice is compiled into the player's loop.
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
