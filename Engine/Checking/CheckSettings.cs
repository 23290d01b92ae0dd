using Engine.Core;

namespace Engine.Checking;

/// <summary>What <see cref="MemoryChecks.Full"/> does in detail.</summary>
public sealed record CheckSettings
{
    /// <summary>Whether each block remembers the call stacks of its allocation and its free: tens of microseconds for each call.</summary>
    public bool CallStacks { get; init; }

    /// <summary>
    /// Blocks of this size and above end at a page that cannot be accessed, in bytes: what runs past their end stops the program at that
    /// instruction. Default 64 KiB.
    /// </summary>
    public nuint GuardFromBytes { get; init; } = 64 * Sizes.KiB;

    /// <summary>One in so many smaller blocks ends at such a page too. Default 64; 0 for none.</summary>
    public int GuardOneIn { get; init; } = 64;

    /// <summary>
    /// How much freed memory of an arena is held back and watched for late writes, in bytes. Default 16 MiB. An arena that finds no memory for a
    /// block takes back all of it before it says so.
    /// </summary>
    public nuint QuarantineBytes { get; init; } = 16 * Sizes.MiB;

    /// <summary>
    /// Told, at an arena's dispose, what was still live and what was damaged: a sentence each. Null, the default, writes to standard error.
    /// <para>
    /// It is called by the disposing thread, under no lock, while the arena can still be used: it may allocate and free there, use and dispose
    /// other arenas, and throw. What it throws does not stop the dispose, nor the sentences to come: when the arena is gone, Dispose throws
    /// an <see cref="EngineMemoryException"/> with the first of its exceptions inside. The arena that is being disposed is not disposed again by it.
    /// </para>
    /// </summary>
    public Action<string>? Report { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    internal void Validate() => ArgumentOutOfRangeException.ThrowIfNegative(GuardOneIn);

    internal void Tell(string sentence)
    {
        if (Report is null)
        {
            Console.Error.WriteLine(sentence);
        }
        else
        {
            Report(sentence);
        }
    }
}
