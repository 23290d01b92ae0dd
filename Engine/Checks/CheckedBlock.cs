using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One block's history. The block that the arena's slabs gave is larger than what the caller got:
/// <code>
///   Raw                Address             Address + Bytes         ZoneEnd
///   | red zone, or none | the caller's bytes | red zone, 16 or more | guard page, or none |
/// </code>
/// </summary>
internal sealed record CheckedBlock(nuint Address, nuint Bytes, nuint Raw, nuint ZoneEnd)
{
    /// <summary>How the page at ZoneEnd is closed, if it is. Written by the block's only owner.</summary>
    public GuardKind Guard { get; set; }

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
