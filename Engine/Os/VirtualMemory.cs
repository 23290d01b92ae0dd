using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// The operating system's memory as a handful of verbs. Each public verb checks its arguments once and says what is wrong
/// with them; the protected one beside it is the operating system's own. Addresses and sizes are multiples of the page size.
///
///   reserved  --Commit-->  committed  --TryPopulate-->  resident
///      |  ^                    |                            |
///      |  +------Decommit------+----------------------------+      Release: back to unmapped, from any state
///      +--TryPrepare: Commit, and with the kind of pages that a prefault step asks for
///
/// Pre- and postconditions:
///   TryReserve    post: inaccessible address space, aligned as asked, no memory charged; a forked child does not get it
///   Commit        pre: reserved.   post: readable and writable, zero, not resident
///   TryPrepare    pre: reserved.   post: as Commit, with the step's kind of pages; on false: reserved
///   TryPopulate   pre: prepared.   post: contents kept; a write to any page takes no fault (unless the policy lied: see
///                                  Prefaulter); on false: committed, some pages may be resident (the caller decommits)
///   Decommit      pre: reserved or committed.  post: reserved: contents gone, resident memory lower at once, inaccessible
///   TryMovePages  pre: from committed, to reserved, not overlapping.  post: the pages, with their contents, are at to;
///                                  from is committed and empty; on false: nothing has changed
///   Discard       pre: committed.  post: committed, and fresh: contents gone and zero, resident memory lower at once
///   Release       pre: a whole reservation, or what is left of one. post: the addresses belong to nobody
///   TryReleasePart  pre: part of a reservation.  post: as Release; on false, where reservations go whole only: as Decommit
///
/// Taking memory back can be refused (Decommit throws; so may what TryPrepare undoes): the range then counts as reserved, in no particular
/// state. Page by page, contents are kept or gone, resident or not, accessible or not. It may be prepared, committed and released like any
/// other, but what is committed then may not be zero; and Decommit may be tried again, at any time, by whoever has the range to himself.
/// <see cref="DecommitRefused"/> tells of each such range.
///
/// A call that maps over a range can fail with the range unmapped. It is then mapped anew before anything else; where another thread's mapping
/// was faster, it is lost: <see cref="IsLost"/>. What is lost is refused to everybody (Commit throws, TryPrepare and TryMovePages say no), and
/// Decommit and Release leave it alone.
///
/// All verbs may be called by any thread, on different ranges at the same time. None belongs in the hot loop.
/// </summary>
internal abstract class VirtualMemory
{
    private const string LostReason = "the system unmapped these addresses in a call that failed, and they belong to somebody else now";

    [ThreadStatic]
    private static long s_osCallsOfThread;

    private readonly LostRanges _lost = new();
    private long _osCalls;

    /// <summary>What this machine offers.</summary>
    public PlatformFacts Facts { get; protected init; } = null!;

    /// <summary>Counts the page faults of a thread, through the same functions as everything else here.</summary>
    public IFaultCounter FaultCounter { get; protected init; } = new NoFaultCounter();

    /// <summary>How many calls that change memory were made to the operating system, by all threads.</summary>
    public long OsCalls => Interlocked.Read(ref _osCalls);

    /// <summary>
    /// How many of such calls the calling thread made, of all instances: what a level that loads on another thread does is not in it.
    /// </summary>
    public static long OsCallsOfThread => s_osCallsOfThread;

    /// <summary>
    /// Told of each range, address and bytes, whose decommit the system refused, also where a prefault undoes what it began: by the thread that has the range to
    /// itself, before anyone else may use it. It must not throw.
    /// </summary>
    public Action<nint, nuint>? DecommitRefused { get; set; }

    /// <summary>Resident memory of the process in bytes, asked anew each time.</summary>
    public abstract nuint ResidentBytes { get; }

    /// <summary>The highest resident memory that the process ever had, in bytes; 0 where the system does not tell.</summary>
    public abstract nuint PeakResidentBytes { get; }

    /// <summary>
    /// How much more memory this process can make resident before a limit of the machine or of its container is reached,
    /// and which limit that is. A guess that errs on the side of trying; <see cref="nuint.MaxValue"/> when unknown.
    /// </summary>
    public virtual nuint AvailableBytes(out string source)
    {
        source = "not known";
        return nuint.MaxValue;
    }

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

    /// <summary>The system's setting for a kind of pages, as "enabled=madvise"; null when there is none.</summary>
    public virtual string? SettingOf(PageKind pages) => null;

    /// <summary>Why the prefault table has no step with this kind of pages for this system.</summary>
    public virtual string? ReasonAgainst(PageKind pages) => "not on this system";

    /// <summary>How pages spread over memory nodes, in words.</summary>
    public virtual string Nodes => "the system's own way of spreading pages";

    /// <summary>Says how pages spread over memory nodes, of all that is reserved afterwards.</summary>
    public virtual void UseNodes(NodePolicy policy)
    {
    }

    /// <summary>
    /// The operating system's memory, through the functions of <paramref name="context"/>, or of the system's own
    /// libraries when it is null.
    /// </summary>
    /// <exception cref="EngineMemoryException">A function without which nothing works is absent.</exception>
    public static VirtualMemory Create(INativeContext? context = null) => ThisPlatform.CreateVirtualMemory(context);

    /// <summary>
    /// Reserves address space; false when there is not enough of it, or a limit forbids it. <paramref name="alignment"/> is a
    /// power of two, in bytes; what is smaller than the allocation granularity counts as that.
    /// </summary>
    public bool TryReserve(nuint bytes, nuint alignment, out nint address)
    {
        CheckSize(bytes);
        if (!BitOperations.IsPow2(alignment))
            ThrowWrongUse($"An alignment must be a power of two, and {alignment} is not.");

        alignment = nuint.Max(alignment, Facts.AllocationGranularityBytes);
        if (bytes > (nuint)nint.MaxValue - alignment)
        {
            address = 0;
            return false;
        }

        return TryReserveCore(bytes, alignment, out address);
    }

    /// <summary>Makes a reserved range readable and writable.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system refused, or the range is lost; it is reserved as before.</exception>
    public void Commit(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        if (_lost.Overlap(address, bytes))
            throw new EngineOutOfMemoryException($"{bytes} bytes at 0x{address:x} cannot be committed: {LostReason}.");

        CommitCore(address, bytes);
    }

    /// <summary>Commits a reserved range with the kind of pages that <paramref name="step"/> asks for.</summary>
    public bool TryPrepare(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        CheckRange(address, bytes);
        if (!PrefaultTable.MakesSense(step, Facts.System))
        {
            failure = new PrefaultFailure($"{step.Policy} with {step.Pages} pages makes no sense on this system", IsLasting: true);
            return false;
        }

        if (_lost.Overlap(address, bytes))
        {
            failure = new PrefaultFailure(LostReason, IsLasting: false);
            return false;
        }

        return TryPrepareCore(address, bytes, step, out failure);
    }

    /// <summary>Puts physical pages behind a range that was prepared for the same step. Several threads may do parts of it.</summary>
    public bool TryPopulate(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        CheckRange(address, bytes);
        return TryPopulateCore(address, bytes, step, out failure);
    }

    /// <summary>Gives the physical pages back and makes the range inaccessible; it stays reserved.</summary>
    /// <exception cref="EngineMemoryException">The system refused; the range counts as reserved, in no particular state.</exception>
    public void Decommit(nint address, nuint bytes)
    {
        if (!TryDecommit(address, bytes, out string reason))
            ThrowRefused("Decommit", bytes, reason);
    }

    /// <summary>The same; false, with the reason, where the system refused.</summary>
    public bool TryDecommit(nint address, nuint bytes, out string reason)
    {
        CheckRange(address, bytes);
        reason = string.Empty;
        bool isDone = true;
        if (!_lost.Overlap(address, bytes))
        {
            isDone = TryDecommitCore(address, bytes, out reason);
        }
        else
        {
            foreach ((nint start, nuint length) in _lost.Remainder(address, bytes))
            {
                isDone &= TryDecommitCore(start, length, out string refusal);
                reason = refusal.Length == 0 ? reason : refusal;
            }
        }

        if (!isDone)
            DecommitRefused?.Invoke(address, bytes);

        return isDone;
    }

    /// <summary>Whether a part of a range belongs to somebody else by now, and must not be handed out any more.</summary>
    public bool IsLost(nint address, nuint bytes) => _lost.Overlap(address, bytes);

    /// <summary>Gives a whole reservation back, except what is lost of it.</summary>
    /// <exception cref="EngineMemoryException">The system refused. Another call tries again.</exception>
    /// <summary>Gives the physical pages back; the range stays readable and writable, and reads as 0.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void Discard(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        DiscardCore(address, bytes);
    }

    /// <summary>Gives a part of a reservation back. False where the system takes a reservation as a whole only: the part is then decommitted.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public bool TryReleasePart(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        if (!_lost.Overlap(address, bytes))
            return TryReleasePartCore(address, bytes);

        bool isReleased = true;
        foreach ((nint start, nuint length) in _lost.Remainder(address, bytes))
            isReleased &= TryReleasePartCore(start, length);

        return isReleased;
    }

    /// <summary>Gives a whole reservation back, or what is left of one.</summary>
    /// <exception cref="EngineMemoryException">The system refused.</exception>
    public void Release(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        if (!_lost.Overlap(address, bytes))
        {
            ReleaseCore(address, bytes);
            return;
        }

        foreach ((nint start, nuint length) in _lost.Remainder(address, bytes))
            ReleaseCore(start, length);

        _lost.ForgetWithin(address, bytes);
    }

    /// <summary>
    /// How many pages of a committed range a write would fault on now; -1 where that cannot be read. No page is touched.
    /// </summary>
    public long PagesThatWouldFault(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        return Facts.TellsWhichPagesWouldFault ? PagesThatWouldFaultCore(address, bytes) : -1;
    }

    /// <summary>How many bytes of a range stand on huge pages; -1 where that cannot be read.</summary>
    public long HugePageBytesBehind(nint address, nuint bytes)
    {
        CheckRange(address, bytes);
        return HugePageBytesBehindCore(address, bytes);
    }

    /// <summary>
    /// Where explicit huge pages can only be had together with their address space (Windows large pages): reserves,
    /// committed and resident at once. Such a reservation is only ever released as a whole. Elsewhere false, with the reason:
    /// ask for them by <see cref="TryPrepare"/>.
    /// </summary>
    public bool TryReserveExplicitHuge(nuint bytes, out nint address, out string reason)
    {
        CheckSize(bytes);
        return TryReserveExplicitHugeCore(bytes, out address, out reason);
    }

    /// <summary>
    /// Moves the physical pages of <paramref name="from"/> to <paramref name="to"/> without copying a byte. False where the
    /// system cannot, and then nothing has changed, except that <paramref name="to"/> may be lost.
    /// </summary>
    /// <exception cref="EngineMemoryException">The ranges overlap.</exception>
    public bool TryMovePages(nint from, nint to, nuint bytes)
    {
        CheckRange(from, bytes);
        CheckRange(to, bytes);
        if ((nuint)from < (nuint)to + bytes && (nuint)to < (nuint)from + bytes)
            ThrowWrongUse($"Pages cannot be moved from 0x{from:x} to 0x{to:x}: the ranges of {bytes} bytes overlap.");

        return Facts.MovesPages && !_lost.Overlap(from, bytes) && !_lost.Overlap(to, bytes) && TryMovePagesCore(from, to, bytes);
    }

    protected abstract bool TryReserveCore(nuint bytes, nuint alignment, out nint address);

    protected abstract void CommitCore(nint address, nuint bytes);

    protected abstract bool TryPrepareCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure);

    protected abstract bool TryPopulateCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure);

    protected abstract bool TryDecommitCore(nint address, nuint bytes, out string reason);

    protected abstract void DiscardCore(nint address, nuint bytes);

    protected abstract bool TryReleasePartCore(nint address, nuint bytes);

    protected abstract void ReleaseCore(nint address, nuint bytes);

    protected virtual bool TryReserveExplicitHugeCore(nuint bytes, out nint address, out string reason)
    {
        address = 0;
        reason = "this system has no huge pages that must be reserved and committed in one";
        return false;
    }

    protected virtual long PagesThatWouldFaultCore(nint address, nuint bytes) => -1;

    protected virtual long HugePageBytesBehindCore(nint address, nuint bytes) => -1;

    protected virtual bool TryMovePagesCore(nint from, nint to, nuint bytes) => false;

    /// <summary>The range, of a reservation of ours, belongs to somebody else by now.</summary>
    protected void Lose(nint address, nuint bytes) => _lost.Add(address, bytes);

    /// <summary>To be called with every call that changes memory.</summary>
    protected void CountOsCall()
    {
        Interlocked.Increment(ref _osCalls);
        s_osCallsOfThread++;
    }

    /// <summary>
    /// Whether <see cref="PagesThatWouldFaultCore"/> can be believed: tried on two pages, of which one is written. Under
    /// emulation, or where the page size is not what it seems, the system may speak of other pages.
    /// </summary>
    protected bool TellsTheTruth()
    {
        nuint page = Facts.PageBytes;
        nuint bytes = 2 * page;
        if (!TryReserveCore(bytes, Facts.AllocationGranularityBytes, out nint pages))
            return false;

        CommitCore(pages, bytes);
        bool isTrue = PagesThatWouldFaultCore(pages, bytes) == 2;
        PageToucher.Touch((nint)((nuint)pages + page), page, page);
        isTrue &= PagesThatWouldFaultCore(pages, bytes) == 1;
        ReleaseCore(pages, bytes);
        return isTrue;
    }

    [DoesNotReturn]
    protected static void ThrowRefused(string verb, nuint bytes, string reason) => throw new EngineMemoryException(
        $"{verb} of {bytes} bytes was refused by the operating system ({reason}).");

    [DoesNotReturn]
    protected static void ThrowWrongUse(string sentence) => throw new EngineMemoryException(sentence);

    private void CheckSize(nuint bytes)
    {
        if (bytes == 0 || (bytes & (Facts.PageBytes - 1)) != 0)
            ThrowWrongUse($"A size must be a positive multiple of the page size, {Facts.PageBytes} bytes, and {bytes} is not.");
    }

    private void CheckRange(nint address, nuint bytes)
    {
        CheckSize(bytes);
        if (address == 0 || ((nuint)address & (Facts.PageBytes - 1)) != 0)
            ThrowWrongUse($"An address must be a multiple of the page size, {Facts.PageBytes} bytes, and 0x{address:x} is not.");

        if ((nuint)address + bytes < bytes)
            ThrowWrongUse($"The range of {bytes} bytes at 0x{address:x} goes beyond the end of the address space.");
    }
}

/// <summary>
/// What was asked of the machine once, at start. Nothing above this folder asks which operating system runs:
/// it asks these facts.
/// </summary>
internal sealed record PlatformFacts
{
    /// <summary>Which of the systems that the prefault table tells apart.</summary>
    public required SystemKinds System { get; init; }

    /// <summary>The unit of commit and decommit, in bytes; a power of two.</summary>
    public required nuint PageBytes { get; init; }

    /// <summary>Reservations start at multiples of this (64 KiB on Windows, the page size elsewhere).</summary>
    public required nuint AllocationGranularityBytes { get; init; }

    /// <summary>The huge page that fits a SuperSlab, in bytes; 0 where the machine has none.</summary>
    public nuint HugePageBytes { get; init; }

    /// <summary>The system's setting for transparent huge pages: "always", "madvise", "never", or "absent".</summary>
    public string TransparentHugePages { get; init; } = "absent";

    /// <summary>Whether <see cref="VirtualMemory.PagesThatWouldFault"/> tells the truth here (tried once, at start).</summary>
    public bool TellsWhichPagesWouldFault { get; init; }

    /// <summary>Whether <see cref="VirtualMemory.TryMovePages"/> can succeed here (it may still say no).</summary>
    public bool MovesPages { get; init; }

    /// <summary>The most address space this process may take (RLIMIT_AS), in bytes; <see cref="nuint.MaxValue"/> when unlimited.</summary>
    public nuint AddressSpaceLimitBytes { get; init; } = nuint.MaxValue;

    /// <summary>Whether transparent huge pages are to be had by asking.</summary>
    public bool HasTransparentHugePages => HugePageBytes != 0 && TransparentHugePages is "always" or "madvise";
}
