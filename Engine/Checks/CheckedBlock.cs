using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One block's history. The block that the arena's slabs gave is larger than what the caller got:
/// <code>
///   Raw                Address             Address + Bytes         ZoneEnd
///   | red zone, or none | the caller's bytes | red zone, 16 or more | guard page, or none |
/// </code>
/// </summary>
internal sealed record CheckedBlock(nuint Address, nuint Bytes, nuint Raw, nuint ZoneEnd, int SizeClass)
{
    /// <summary>Whether the page at ZoneEnd is closed. Written by the block's only owner.</summary>
    public bool HasGuardPage { get; set; }

    public CheckedCall Allocated { get; set; } = CheckedCall.Nobody;

    /// <summary>Null while the block is live.</summary>
    public CheckedCall? Freed { get; set; }

    public nuint ZoneBytes => ZoneEnd - Raw;

    public bool Contains(nuint address) => address - Raw < ZoneBytes;

    public override string ToString() => $"the block of {Sizes.Text(Bytes)} at 0x{Address:x}";
}

/// <summary>Who did something with a block, and when.</summary>
/// <param name="Number">The arena's calls are numbered in their order.</param>
/// <param name="Thread">The thread's name, or its number.</param>
/// <param name="Tag">The allocation tag in force, or null.</param>
/// <param name="CallStack">Null where call stacks are not recorded.</param>
internal sealed record CheckedCall(long Number, string Thread, string? Tag, string? CallStack)
{
    public static readonly CheckedCall Nobody = new(0, string.Empty, null, null);

    public static CheckedCall Now(long number, string? tag, bool withCallStack)
    {
        Thread thread = System.Threading.Thread.CurrentThread;
        string name = string.IsNullOrEmpty(thread.Name) ? $"{thread.ManagedThreadId}" : $"'{thread.Name}'";
        return new CheckedCall(number, "thread " + name, tag, withCallStack ? Environment.StackTrace : null);
    }

    public override string ToString()
    {
        string tag = Tag is null ? "" : $", tag '{Tag}'";
        return $"by {Thread} in call {Number}{tag}"
            + (CallStack is null ? "" : $"{Environment.NewLine}{CallStack}{Environment.NewLine}");
    }
}

/// <summary>What <see cref="MemoryChecks.Full"/> does in detail.</summary>
public sealed record CheckSettings
{
    /// <summary>Whether each block remembers its call stacks: tens of microseconds for each call.</summary>
    public bool CallStacks { get; init; }

    /// <summary>
    /// Blocks of this size and above, in bytes, end at a page that cannot be accessed: a write past their end stops the
    /// program at that instruction. Default 64 KiB.
    /// </summary>
    public nuint GuardFromBytes { get; init; } = 64 * Sizes.KiB;

    /// <summary>One in so many smaller blocks ends at such a page too. Default 64; 0 for none.</summary>
    public int GuardOneIn { get; init; } = 64;

    /// <summary>
    /// How much freed memory of an arena is held back and watched for late writes, in bytes. Default 16 MiB. An arena
    /// takes all of it back before it refuses an allocation.
    /// </summary>
    public nuint QuarantineBytes { get; init; } = 16 * Sizes.MiB;

    /// <summary>
    /// Called at an arena's dispose with a sentence for each thing that is still live or damaged. Null, the default,
    /// writes to standard error.
    /// <para>
    /// The disposing thread calls it, under no lock, while the arena still works: it may allocate and free there, use
    /// and dispose other arenas, and throw. An exception stops neither the dispose nor the further sentences: when the
    /// arena is gone, Dispose throws an <see cref="EngineMemoryException"/> with the first exception inside. A dispose
    /// of the same arena in here does nothing.
    /// </para>
    /// </summary>
    public Action<string>? Report { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    internal void Validate() => ArgumentOutOfRangeException.ThrowIfNegative(GuardOneIn);

    internal void Tell(string sentence) => (Report ?? Console.Error.WriteLine)(sentence);
}

/// <summary>A range of memory of any length, to fill and to compare. A span holds at most 2 GiB.</summary>
internal readonly unsafe ref struct NativeSpan(nuint start, nuint bytes)
{
    public void Fill(byte value) => NativeMemory.Fill((void*)start, bytes, value);

    /// <summary>The first address that holds another value, or 0.</summary>
    public nuint FirstOtherThan(byte value)
    {
        const nuint Step = 1 << 30;
        for (nuint done = 0; done < bytes; done += Step)
        {
            ReadOnlySpan<byte> part = new((void*)(start + done), (int)nuint.Min(Step, bytes - done));
            if (part.IndexOfAnyExcept(value) is >= 0 and int index)
                return start + done + (nuint)index;
        }

        return 0;
    }
}
