namespace SuperSlab;

/// <content>Pages made inaccessible for checks.</content>
internal abstract partial class VirtualMemory
{
    /// <summary>Guarded ranges of the process that each split a mapping in three.</summary>
    private static long s_splittingGuards;

    /// <summary>
    /// Makes a committed range inaccessible, for checks: any access stops the program. Its contents are gone. Where the
    /// system guards by splitting mappings, whose number has a limit, the engine takes a share of them.
    /// </summary>
    /// <returns>How; <see cref="GuardKind.None"/> where the share is used up, or the system refuses.</returns>
    public GuardKind TryGuard(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        if (TryAdviseGuard(address, bytes))
            return GuardKind.Advised;

        if (Interlocked.Increment(ref s_splittingGuards) <= MostSplittingGuards && TryDecommit(address, bytes, out _))
            return GuardKind.Splitting;

        Interlocked.Decrement(ref s_splittingGuards);
        return GuardKind.None;
    }

    /// <summary>Makes a guarded range accessible again; it reads as 0, and is not resident.</summary>
    /// <exception cref="EngineOutOfMemoryException">Refused; the range stays guarded.</exception>
    public void Unguard(nint address, nuint bytes, GuardKind kind)
    {
        if (kind == GuardKind.Splitting)
        {
            Commit(address, bytes);
            Interlocked.Decrement(ref s_splittingGuards);
        }
        else if (kind == GuardKind.Advised && UnguardAdvised(address, bytes) is { } reason)
        {
            throw new EngineOutOfMemoryException(
                $"The operating system refused to open a guard page of {Sizes.Exact(bytes)} ({reason}).");
        }
    }

    /// <summary>Gives up a guard that the system does not open: its range is prepared anew before it is used.</summary>
    public static void ForgetGuard(GuardKind kind)
    {
        if (kind == GuardKind.Splitting)
            Interlocked.Decrement(ref s_splittingGuards);
    }

    /// <summary>The most ranges that guards which split mappings may take in the process.</summary>
    public virtual long MostSplittingGuards => long.MaxValue;

    /// <summary>Guards a range without splitting its mapping; false where the system has no such advice.</summary>
    protected virtual bool TryAdviseGuard(nint address, nuint bytes) => false;

    protected virtual string? UnguardAdvised(nint address, nuint bytes) => null;
}

/// <summary>How a range is guarded.</summary>
internal enum GuardKind
{
    /// <summary>It is accessible.</summary>
    None,

    /// <summary>By a mark at its pages: MADV_GUARD_INSTALL.</summary>
    Advised,

    /// <summary>By a mapping of its own, between two others.</summary>
    Splitting,
}
