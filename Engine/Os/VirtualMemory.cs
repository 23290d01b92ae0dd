using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// The operating system's memory as a handful of verbs. Each public verb checks its arguments and says what is wrong
/// with them; the protected one beside it is the system's own. Addresses and sizes are multiples of the page size.
/// reserved  --Commit-->  committed  --TryPopulate-->  resident |  ^                    |                            |
/// |  +------Decommit------+----------------------------+      Release: back to unmapped, from any state +--TryPrepare:
/// Commit, with the kind of pages that a prefault step asks for  Pre- and postconditions: TryReserve      post:
/// inaccessible, aligned as asked, no memory charged; a forked child does not get it where the system takes that hint
/// Commit          pre: reserved.
/// post: readable and writable, zero, not resident TryPrepare      pre: reserved. post: as Commit, with the step's kind
/// of pages; on false: reserved TryPopulate     pre: prepared. post: contents kept; a write takes no fault (unless the
/// policy lied: see Prefaulter); on false: committed, some pages may be resident (the caller decommits) Decommit
/// pre: reserved or committed. post: reserved: contents gone, resident memory lower at once TryMovePages    pre: from
/// committed, to reserved, not overlapping. post: the pages, with their contents, are at to; from is committed and
/// empty; on false: nothing has changed Discard         pre: committed. post: committed: contents gone and zero,
/// resident memory lower at once Release         pre: a whole reservation, or what is left of one. post: the addresses
/// are unmapped TryReleasePart  pre: part of a reservation. post: as Release; on false, where only wholes are released:
/// as Decommit  The system can refuse to take memory back. The range then counts as reserved, but each of its pages may
/// still be accessible, resident, and hold its contents. It may be prepared, committed and released as usual, but a
/// commit may find old contents; its owner may decommit it again at any time. <see cref="DecommitRefused"/> reports
/// each such range.  A call that maps over a range can fail after it unmapped the range. The range is then mapped again
/// at once; where another thread's mapping is there first, it is lost (<see cref="IsLost"/>): Commit throws, TryPrepare
/// and TryMovePages return false, and Decommit and Release leave it alone.  Any thread may call any verb, on different
/// ranges at the same time. None belongs in the hot loop.
/// </summary>
internal abstract partial class VirtualMemory
{
    /// <summary>The addresses that lie on one memory node before the next node's turn.</summary>
    public const nuint NodeStripeBytes = 128 << 20;

    private const int PagesAtOnce = 2048;
    private const string LostReason =
        "the system unmapped these addresses in a call that failed, and they belong to somebody else now";

    [ThreadStatic]
    private static long s_osCallsOfThread;

    private readonly LostRanges _lost = new();
    private long _osCalls;

    /// <summary>What this machine offers.</summary>
    public PlatformFacts Facts { get; protected init; } = null!;

    /// <summary>Counts page faults through the same functions as everything else here.</summary>
    public FaultCounter FaultCounter { get; protected init; } = new();

    /// <summary>How many calls that change memory all threads made.</summary>
    public long OsCalls => Interlocked.Read(ref _osCalls);

    /// <summary>How many calls that change memory the calling thread made, through all instances.</summary>
    public static long OsCallsOfThread => s_osCallsOfThread;

    /// <summary>
    /// Called with the address and bytes of each range whose decommit the system refused, by the range's owner, before
    /// anyone else may use it. It must not throw.
    /// </summary>
    public Action<nint, nuint>? DecommitRefused { get; set; }

    /// <summary>Resident memory of the process in bytes, read at each call.</summary>
    public abstract nuint ResidentBytes { get; }

    /// <summary>The highest resident memory so far, in bytes; 0 where the system does not count it.</summary>
    public abstract nuint PeakResidentBytes { get; }

    /// <summary>
    /// How much more memory this process can make resident before it reaches a limit of the machine or of its
    /// container. An estimate that is too high rather than too low.
    /// </summary>
    public virtual MemoryRoom Room() => MemoryRoom.Unknown;

    /// <summary>The available bytes of <see cref="Room"/>, and which limit is the nearest.</summary>
    public nuint AvailableBytes(out string source)
    {
        MemoryRoom room = Room();
        source = room.Source;
        return room.AvailableBytes;
    }

    /// <summary>How much more address space this process may take; <see cref="nuint.MaxValue"/> when unknown.</summary>
    public virtual nuint AddressSpaceLeftBytes => nuint.MaxValue;

    /// <summary>What the system's manuals call a kind of pages.</summary>
    public virtual string NameOf(PageKind pages) => pages == PageKind.Normal ? "normal pages" : pages.ToString();

    /// <summary>What the system's manuals call a policy.</summary>
    public virtual string NameOf(PrefaultPolicy policy) => policy switch
    {
        PrefaultPolicy.None => "no prefault",
        PrefaultPolicy.Touch => "touch",
        PrefaultPolicy.Clear => "clear",
        _ => policy.ToString(),
    };

    /// <summary>What the system's manuals call what keeps pages.</summary>
    public virtual string NameOf(StayPolicy policy) =>
        policy == StayPolicy.Lock ? NameOf(PrefaultPolicy.Lock) : "pins";

    /// <summary>The system's setting for a kind of pages, as "enabled=madvise"; null when there is none.</summary>
    public virtual string? SettingOf(PageKind pages) => null;

    /// <summary>Hints that the system refused, with its errors; null where it took all. Nothing needs them.</summary>
    public virtual string? RefusedHints => null;

    /// <summary>Why the prefault table has no step with this kind of pages for this system.</summary>
    public virtual string? ReasonAgainst(PageKind pages) => "not on this system";

    /// <summary>How pages spread over memory nodes, in words.</summary>
    public virtual string Nodes => "the system's own way of spreading pages";

    /// <summary>Sets how the pages of later reservations spread over memory nodes.</summary>
    public virtual void UseNodes(NodePolicy policy)
    {
    }

    /// <summary>How many nodes take turns along the addresses, <see cref="NodeStripeBytes"/> each; 1 where pages do
    /// not lie by address.</summary>
    public virtual int NodeCount => 1;

    /// <summary>The node that the calling thread runs on, below <see cref="NodeCount"/>. No system call.</summary>
    public virtual int CurrentNode => 0;

    /// <summary>The node of an address, below <see cref="NodeCount"/>.</summary>
    public int NodeOf(nint address) => (int)((nuint)address / NodeStripeBytes % (nuint)NodeCount);

    /// <summary>Runs work on a node's processors, where it has some that the thread may use.</summary>
    public virtual void RunOnNode(int node, Action work) => work();

    /// <summary>The system's memory, through the functions of a context or of its own libraries.</summary>
    /// <exception cref="EngineMemoryException">A function without which nothing works is absent.</exception>
    public static VirtualMemory Create(INativeContext? context = null) => ThisPlatform.CreateVirtualMemory(context);

    /// <summary>
    /// Reserves address space; false when there is not enough of it, or a limit forbids it. <paramref
    /// name="alignment"/> is a power of two, in bytes, and at least the allocation granularity is used.
    /// </summary>
    public bool TryReserve(nuint bytes, nuint alignment, out nint address)
    {
        CheckSize(bytes);
        if (!BitOperations.IsPow2(alignment))
            ThrowWrongUse($"An alignment must be a power of two, and {alignment} is not.");

        alignment = nuint.Max(alignment, Facts.AllocationGranularityBytes);
        address = 0;
        bool isReserved = bytes <= (nuint)nint.MaxValue - alignment && TryReserveCore(bytes, alignment, out address);
        Debug.Assert(isReserved == (address != 0) && (nuint)address % alignment == 0, "Aligned, or nothing.");
        return isReserved;
    }

    /// <summary>Makes a reserved range readable and writable.</summary>
    /// <exception cref="EngineOutOfMemoryException">Refused, or lost; the range stays reserved.</exception>
    public void Commit(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        if (_lost.Overlap(address, bytes))
            throw new EngineOutOfMemoryException(
                $"{Sizes.Exact(bytes)} at 0x{address:x} cannot be committed: {LostReason}.");

        if (CommitCore(address, bytes) is { } reason)
        {
            throw new EngineOutOfMemoryException(
                $"The operating system refused to commit {Sizes.Exact(bytes)} ({reason}): {LimitsOfCommit} is "
                + "exhausted.");
        }
    }

    /// <summary>Commits a reserved range with the kind of pages that <paramref name="step"/> asks for.</summary>
    public bool TryPrepare(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        CheckRange(address, bytes);
        PrefaultFailure? refused = !PrefaultTable.MakesSense(step, Facts.System)
            ? new($"{NameOf(step.Policy)} makes no sense with {NameOf(step.Pages)} on this system", IsLasting: true)
            : _lost.Overlap(address, bytes) ? new(LostReason, IsLasting: false)
            : PrepareCore(address, bytes, step);
        failure = refused.GetValueOrDefault();
        return refused is null;
    }

    /// <summary>Puts physical pages behind a range, or a part of one, that was prepared for the same step.</summary>
    public bool TryPopulate(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        CheckRange(address, bytes);
        PrefaultFailure? refused = null;
        if (step.Policy == PrefaultPolicy.Touch)
            PageToucher.Touch(address, bytes, Facts.PageBytes);
        else if (step.Policy == PrefaultPolicy.Clear)
            PageToucher.Clear(address, bytes);
        else if (step.Policy != PrefaultPolicy.None)
            refused = PopulateCore(address, bytes, step);

        failure = refused.GetValueOrDefault();
        return refused is null;
    }

    /// <summary>
    /// Pins the pages behind a populated range: until the range is decommitted, discarded or released, the system
    /// neither moves them nor takes them back. What is pinned already stays so.
    /// </summary>
    public bool TryPin(nint address, nuint bytes, out PrefaultFailure failure)
    {
        CheckRange(address, bytes);
        PrefaultFailure? refused = PinCore(address, bytes);
        failure = refused.GetValueOrDefault();
        return refused is null;
    }

    /// <summary>Ends pins and locks of a range whose pages stay.</summary>
    public void LetGo(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        _ = UnpinCore(address, bytes);
        UnlockCore(address, bytes);
    }

    /// <summary>
    /// Locks all pages of the process that are resident, and later ones when they become so. Null when it is done, else
    /// why it is not.
    /// </summary>
    public virtual string? LockProcess() => "this system locks ranges only";

    /// <summary>Ends all locks of the process, those of ranges included.</summary>
    public virtual void UnlockProcess()
    {
    }

    /// <summary>Asks the system not to merge a populated range, or make other pages of it: hints.</summary>
    public virtual void AdviseAgainstMoves(nint address, nuint bytes, PageKind pages)
    {
    }

    /// <summary>The limit of memory that the process may lock, as "RLIMIT_MEMLOCK is 64 KiB"; null for none.</summary>
    public virtual string? LockedMemoryLimit => null;

    /// <summary>Gives the physical pages back and makes the range inaccessible; it stays reserved.</summary>
    /// <exception cref="EngineMemoryException">Refused; the range is in no particular state.</exception>
    public void Decommit(nint address, nuint bytes)
    {
        if (!TryDecommit(address, bytes, out string reason))
            ThrowRefused("Decommit", bytes, reason);
    }

    /// <summary>Decommits; false, with the reason, where the system refused.</summary>
    public bool TryDecommit(nint address, nuint bytes, out string reason)
    {
        CheckRange(address, bytes);
        string? refusal = UnpinCore(address, bytes)
            ?? OnRemainder(address, bytes, static (os, part, partBytes) => os.DecommitCore(part, partBytes));
        if (refusal is not null)
            DecommitRefused?.Invoke(address, bytes);

        reason = refusal ?? string.Empty;
        return refusal is null;
    }

    /// <summary>Whether a part of a range belongs to somebody else by now.</summary>
    public bool IsLost(nint address, nuint bytes) => _lost.Overlap(address, bytes);

    /// <summary>Gives the physical pages back; the range stays readable and writable, and reads as 0.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void Discard(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        if ((UnpinCore(address, bytes) ?? DiscardCore(address, bytes)) is { } reason)
            ThrowRefused("Discard", bytes, reason);
    }

    /// <summary>Gives a part of a reservation back; or decommits it and returns false.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public bool TryReleasePart(nint address, nuint bytes)
    {
        if (!Facts.ReleasesParts)
        {
            Decommit(address, bytes);
            return false;
        }

        CheckRange(address, bytes);
        ReleaseRemainder(address, bytes);
        return true;
    }

    /// <summary>Gives a whole reservation back, or what is left of one, except what is lost of it.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void Release(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        ReleaseRemainder(address, bytes);
        _lost.ForgetWithin(address, bytes);
    }

    /// <summary>How many pages of a committed range a write would fault on now; -1 where unknown.</summary>
    public long PagesThatWouldFault(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        return Facts.TellsWhichPagesWouldFault ? CountFaulting(address, bytes) : -1;
    }

    /// <summary>How many bytes of a range stand on huge pages; -1 where that cannot be read.</summary>
    public long HugePageBytesBehind(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        return HugePageBytesBehindCore(address, bytes);
    }

    /// <summary>
    /// Reserves explicit huge pages together with their address space, committed and resident at once (Windows large
    /// pages). Such a reservation is released as a whole. False, with the reason, elsewhere: use <see
    /// cref="TryPrepare"/>.
    /// </summary>
    public bool TryReserveExplicitHuge(nuint bytes, out nint address, out string reason)
    {
        CheckSize(bytes);
        return TryReserveExplicitHugeCore(bytes, out address, out reason);
    }

    /// <summary>
    /// Moves the physical pages of <paramref name="from"/> to <paramref name="to"/> without copying a byte. False where
    /// the system cannot, and then nothing has changed, except that <paramref name="to"/> may be lost.
    /// </summary>
    /// <exception cref="EngineMemoryException">The ranges overlap.</exception>
    public bool TryMovePages(nint from, nint to, nuint bytes)
    {
        CheckRange(from, bytes);
        CheckRange(to, bytes);
        if ((nuint)from < (nuint)to + bytes && (nuint)to < (nuint)from + bytes)
            ThrowWrongUse(
                $"Pages cannot be moved from 0x{from:x} to 0x{to:x}: the ranges of {Sizes.Exact(bytes)} overlap.");

        bool mayMove = Facts.MovesPages && !_lost.Overlap(from, bytes) && !_lost.Overlap(to, bytes);
        bool wasPinned = mayMove && IsPinned(from, bytes);
        bool isMoved = mayMove && UnpinCore(from, bytes) is null && TryMovePagesCore(from, to, bytes);
        if (wasPinned)
            _ = PinCore(isMoved ? to : from, bytes);

        return isMoved;
    }

    // The system's own verbs return null when they are done, and otherwise why the system refused.
    protected abstract bool TryReserveCore(nuint bytes, nuint alignment, out nint address);
    protected abstract string? CommitCore(nint address, nuint bytes);
    protected abstract PrefaultFailure? PrepareCore(nint address, nuint bytes, PrefaultStep step);
    protected abstract PrefaultFailure? PopulateCore(nint address, nuint bytes, PrefaultStep step);
    protected abstract string? DecommitCore(nint address, nuint bytes);
    protected abstract string? DiscardCore(nint address, nuint bytes);
    protected abstract string? ReleaseCore(nint address, nuint bytes);

    protected virtual PrefaultFailure? PinCore(nint address, nuint bytes) =>
        new PrefaultFailure("this system has no pins", IsLasting: true);

    /// <summary>Ends pins, before the pages go.</summary>
    protected virtual string? UnpinCore(nint address, nuint bytes) => null;

    /// <summary>Whether a part of the range is pinned.</summary>
    protected virtual bool IsPinned(nint address, nuint bytes) => false;

    protected virtual void UnlockCore(nint address, nuint bytes)
    {
    }

    /// <summary>What a refused commit means.</summary>
    protected virtual string LimitsOfCommit => "a memory limit of the process or its count of mappings";

    protected virtual bool TryReserveExplicitHugeCore(nuint bytes, out nint address, out string reason)
    {
        address = 0;
        reason = "this system has no huge pages that must be reserved and committed in one";
        return false;
    }

    /// <summary>How many of at most 2,048 pages would fault; -1 where that cannot be read.</summary>
    protected virtual int CountFaultingCore(nint address, int pages) => -1;

    protected virtual long HugePageBytesBehindCore(nint address, nuint bytes) => -1;

    protected virtual bool TryMovePagesCore(nint from, nint to, nuint bytes) => false;

    /// <summary>A range of one of our reservations belongs to somebody else by now.</summary>
    protected void Lose(nint address, nuint bytes) => _lost.Add(address, bytes);

    /// <summary>Counts a call that changes memory.</summary>
    /// <returns>The system's error, or none. It must be called right after the call.</returns>
    protected int Counted(bool isDone)
    {
        int error = isDone ? Errno.None : Marshal.GetLastSystemError();
        error = error == Errno.None && !isDone ? Errno.Invalid : error;
        Interlocked.Increment(ref _osCalls);
        s_osCallsOfThread++;
        return error;
    }

    /// <summary>
    /// Whether <see cref="CountFaultingCore"/> is right about two pages, of which one is written. Under emulation, or
    /// with an unexpected page size, the system may speak of other pages.
    /// </summary>
    protected bool TellsTheTruth()
    {
        nuint page = Facts.PageBytes;
        if (!TryReserveCore(2 * page, Facts.AllocationGranularityBytes, out nint pages))
            return false;

        bool isTrue = CommitCore(pages, 2 * page) is null && CountFaultingCore(pages, 2) == 2;
        if (isTrue)
        {
            PageToucher.Touch((nint)((nuint)pages + page), page, page);
            isTrue = CountFaultingCore(pages, 2) == 1;
        }

        _ = ReleaseCore(pages, 2 * page);
        return isTrue;
    }

    [DoesNotReturn]
    protected static void ThrowRefused(string verb, nuint bytes, string reason) => throw new EngineMemoryException(
        $"{verb} of {Sizes.Exact(bytes)} was refused by the operating system ({reason}).");

    [DoesNotReturn]
    private static void ThrowWrongUse(string sentence) => throw new EngineMemoryException(sentence);

    private void ReleaseRemainder(nint address, nuint bytes)
    {
        string? refusal = UnpinCore(address, bytes)
            ?? OnRemainder(address, bytes, static (os, part, partBytes) => os.ReleaseCore(part, partBytes));
        if (refusal is not null)
            ThrowRefused("Release", bytes, refusal);
    }

    /// <summary>Applies a verb to the parts of a range that are not lost; returns the last refusal, or null.</summary>
    private string? OnRemainder(nint address, nuint bytes, Func<VirtualMemory, nint, nuint, string?> verb)
    {
        if (!_lost.Overlap(address, bytes))
            return verb(this, address, bytes);

        string? refusal = null;
        foreach ((nint part, nuint partBytes) in _lost.Remainder(address, bytes))
            refusal = verb(this, part, partBytes) ?? refusal;

        return refusal;
    }

    private long CountFaulting(nint address, nuint bytes)
    {
        nuint pages = bytes / Facts.PageBytes;
        long faulting = 0;
        for (nuint done = 0; done < pages; done += PagesAtOnce)
        {
            nint part = (nint)((nuint)address + (done * Facts.PageBytes));
            int count = CountFaultingCore(part, (int)nuint.Min(PagesAtOnce, pages - done));
            if (count < 0)
                return -1;

            faulting += count;
        }

        return faulting;
    }

    private void CheckSize(nuint bytes)
    {
        nuint page = Facts.PageBytes;
        if (bytes == 0 || (bytes & (page - 1)) != 0)
            ThrowWrongUse(
                $"A size must be a positive multiple of the page size, {Sizes.Text(page)}, and {Sizes.Exact(bytes)} is "
                + "not.");
    }

    private void CheckRange(nint address, nuint bytes)
    {
        CheckSize(bytes);
        nuint page = Facts.PageBytes;
        if (address == 0 || ((nuint)address & (page - 1)) != 0)
            ThrowWrongUse(
                $"An address must be a multiple of the page size, {Sizes.Text(page)}, and 0x{address:x} is not.");

        if ((nuint)address + bytes < bytes)
            ThrowWrongUse(
                $"The range of {Sizes.Exact(bytes)} at 0x{address:x} goes beyond the end of the address space.");
    }
}

/// <summary>The memory that is left under the nearest limit.</summary>
/// <param name="AvailableBytes">What is left; <see cref="nuint.MaxValue"/> when unknown.</param>
/// <param name="LimitBytes">The limit itself, alike.</param>
/// <param name="Source">Where the system says it: a file, a function.</param>
internal readonly record struct MemoryRoom(nuint AvailableBytes, nuint LimitBytes, string Source)
{
    public static readonly MemoryRoom Unknown = new(nuint.MaxValue, nuint.MaxValue, "not known");
}
