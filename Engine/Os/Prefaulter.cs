using System.Diagnostics.CodeAnalysis;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CommunityToolkit.HighPerformance.Helpers;

namespace SuperSlab;

/// <summary>
/// Puts physical pages behind a reserved range by the best step that works on this machine, so that no later write to it
/// faults. The steps come from <see cref="PrefaultTable"/>; how each fared is kept in a <see cref="PrefaultChain"/>: one
/// chain for ranges that huge pages fit, and one for the rest (a few pages of metadata).
///
/// Either the whole range is committed and resident afterwards, or an exception was thrown and the range is reserved as
/// before; where the system refused to take it back, in no particular state, which <see cref="VirtualMemory.DecommitRefused"/> tells. The exception says why the
/// prefault failed, never that its undo did: an EngineMemoryException is not among them. Any thread; never in the hot loop.
/// </summary>
internal sealed class Prefaulter
{
    /// <summary>From this size on it pays to use several threads.</summary>
    public const nuint LargeBytes = 64 << 20;

    /// <summary>As much is provided and looked at before a step is believed.</summary>
    private const nuint VerifiedBytes = 2 << 20;

    private readonly VirtualMemory _os;
    private readonly MemoryHeadroom _headroom;
    private readonly PrefaultChain _hugeChain;
    private readonly PrefaultChain _smallChain;
    private long _nanoseconds;

    public Prefaulter(VirtualMemory os, PrefaultPolicy policy, PageKind pages)
    {
        _os = os;
        _headroom = new MemoryHeadroom(os);
        _hugeChain = CreateChain(os, policy, pages);
        _smallChain = CreateChain(os, policy, PageKind.Normal);
    }

    /// <summary>The time in which memory was provided so far, summed over the callers.</summary>
    public long Nanoseconds => Interlocked.Read(ref _nanoseconds);

    /// <summary>Commits the range and puts physical pages behind it.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is not enough memory, or no step of the chain worked.</exception>
    public void Provide(nint address, nuint bytes) => Provide(address, bytes, 1, null, CancellationToken.None);

    /// <summary>
    /// The same, by several threads where the range is large. <paramref name="progress"/> is told the part that is done,
    /// 0 to 1, from whichever thread did it.
    /// </summary>
    /// <exception cref="EngineOutOfMemoryException">There is not enough memory, or no step of the chain worked.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the range is reserved as before.</exception>
    /// <exception cref="Exception">What <paramref name="progress"/> threw first, as itself, after all threads stopped; the range is reserved as before.</exception>
    public PrefaultReport Provide(nint address, nuint bytes, int threads, IProgress<double>? progress, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        PrefaultChain chain = FitsHugePages(address, bytes) ? _hugeChain : _smallChain;
        int index = chain.NextToTry(0);
        if (index < chain.StepCount && chain.StepAt(index).Policy != PrefaultPolicy.None)
            _headroom.Take(bytes);

        long start = Stopwatch.GetTimestamp();
        while (index < chain.StepCount)
        {
            PrefaultStep step = chain.StepAt(index);
            bool isPrepared = _os.TryPrepare(address, bytes, step, out PrefaultFailure failure);
            string refusal = string.Empty;
            if (isPrepared && TryPopulateOrUndo(chain, index, address, bytes, threads, progress, cancellation, out failure, out refusal))
            {
                long nanoseconds = (long)Stopwatch.GetElapsedTime(start).TotalNanoseconds;
                Interlocked.Add(ref _nanoseconds, nanoseconds);
                return new PrefaultReport(bytes, nanoseconds, bytes < LargeBytes ? 1 : Math.Max(threads, 1), step.Pages, step.Policy);
            }

            index = chain.Fell(index, failure, failedForPages: !isPrepared && step.Pages != PageKind.Normal);
            if (refusal.Length != 0)
            {
                ThrowNotUndone(bytes, failure.Reason, refusal); // the next step wants a reserved range
            }
        }

        ThrowNothingWorked(bytes, chain.LastFailure);
        return default;
    }

    /// <summary>What was tried, what it said, and what is in use, in one line.</summary>
    public string Describe() => _hugeChain.Describe();

    /// <summary>The steps in their order: what they are called, and what became of each.</summary>
    public IReadOnlyList<(string Name, string Outcome, string Reason)> Steps() => _hugeChain.Steps();

    private static PrefaultChain CreateChain(VirtualMemory os, PrefaultPolicy policy, PageKind pages)
    {
        PrefaultStep[] steps = PrefaultTable.Chain(os.Facts.System, policy, pages);
        string preface = string.Empty;
        if (pages is PageKind.ExplicitHuge or PageKind.TransparentHuge && !Array.Exists(steps, step => step.Pages == pages))
            preface = $"{os.NameOf(pages)}: {os.ReasonAgainst(pages)}";

        if (policy != PrefaultPolicy.Automatic && !Array.Exists(steps, step => step.Policy == policy))
            preface += (preface.Length == 0 ? string.Empty : "; ") + $"{os.NameOf(policy)}: not on this system";

        bool isCombination = policy != PrefaultPolicy.Automatic && pages != PageKind.Automatic;
        if (preface.Length == 0 && isCombination && !Array.Exists(steps, step => step == new PrefaultStep(pages, policy)))
            preface = $"{os.NameOf(policy)}: not with {os.NameOf(pages)}";

        return new PrefaultChain(os, steps, preface);
    }

    /// <summary>Where there are no huge pages, one chain serves all.</summary>
    private bool FitsHugePages(nint address, nuint bytes)
    {
        nuint huge = _os.Facts.HugePageBytes;
        return huge == 0 || (((nuint)address | bytes) & (huge - 1)) == 0;
    }

    /// <summary>On false, or when cancelled or interrupted by anything else, the range is reserved again; on false without, the system's refusal is said.</summary>
    private bool TryPopulateOrUndo(
        PrefaultChain chain,
        int index,
        nint address,
        nuint bytes,
        int threads,
        IProgress<double>? progress,
        CancellationToken cancellation,
        out PrefaultFailure failure,
        out string refusal)
    {
        refusal = string.Empty;
        bool isDone;
        try
        {
            isDone = TryPopulateVerified(chain, index, address, bytes, threads, progress, cancellation, out failure);
        }
        catch
        {
            _ = _os.TryDecommit(address, bytes, out _); // what interrupted it says more than a refusal
            throw;
        }

        if (!isDone)
            _ = _os.TryDecommit(address, bytes, out refusal);

        return isDone;
    }

    /// <summary>A step that has not proved itself is tried on one SuperSlab before the rest is left to it.</summary>
    private bool TryPopulateVerified(
        PrefaultChain chain,
        int index,
        nint address,
        nuint bytes,
        int threads,
        IProgress<double>? progress,
        CancellationToken cancellation,
        out PrefaultFailure failure)
    {
        failure = default;
        PrefaultStep step = chain.StepAt(index);
        nuint done = 0;
        if (!chain.IsVerified(index))
        {
            done = nuint.Min(bytes, VerifiedBytes);
            if (!_os.TryPopulate(address, done, step, out failure) || !chain.TryVerify(index, address, done, out failure))
                return false;
        }

        return done == bytes || TryPopulateRest(address + (nint)done, bytes - done, step, threads, progress, cancellation, out failure);
    }

    private bool TryPopulateRest(
        nint address,
        nuint bytes,
        PrefaultStep step,
        int threads,
        IProgress<double>? progress,
        CancellationToken cancellation,
        out PrefaultFailure failure)
    {
        if (bytes < LargeBytes - VerifiedBytes || (threads <= 1 && progress is null && !cancellation.CanBeCanceled))
            return _os.TryPopulate(address, bytes, step, out failure);

        var work = new ParallelPopulation(_os, address, bytes, step, progress, cancellation);
        ParallelHelper.For(0, Math.Max(threads, 1), new ParallelPopulation.Worker(work));
        work.Interruption?.Throw();
        failure = work.Failure;
        if (!work.IsDone && !work.HasFailed)
            cancellation.ThrowIfCancellationRequested();

        return work.IsDone;
    }

    [DoesNotReturn]
    private static void ThrowNotUndone(nuint bytes, string reason, string refusal) => throw new EngineOutOfMemoryException(
        $"Physical memory could not be put behind {bytes} bytes: {reason}. The system then refused to take back what had come ({refusal}), so that no other way was tried; "
        + "that memory stays resident until it is used or given back.");

    [DoesNotReturn]
    private static void ThrowNothingWorked(nuint bytes, string reason) => throw new EngineOutOfMemoryException(
        $"No prefault policy could put physical memory behind {bytes} bytes; the last one tried said: {reason}.");
}

/// <summary>What a prefault did and how long it took.</summary>
/// <param name="Bytes">How much was committed and made resident.</param>
/// <param name="Nanoseconds">How long it took, from the first call to the last.</param>
/// <param name="ThreadCount">How many threads were asked to take part.</param>
/// <param name="Pages">The kind of pages that stands behind the range.</param>
/// <param name="Policy">The policy that put them there.</param>
public readonly record struct PrefaultReport(ulong Bytes, long Nanoseconds, int ThreadCount, PageKind Pages, PrefaultPolicy Policy)
{
    /// <summary>Memory bandwidth: bytes made resident in a second; 0 when it took no measurable time.</summary>
    public double BytesPerSecond => Nanoseconds <= 0 ? 0 : Bytes * 1e9 / Nanoseconds;

    /// <summary>For example "1024 MiB in 71.3 ms (14.0 GiB/s) by 2 threads, TransparentHuge pages by PopulateWrite".</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Bytes / 1048576.0:0.###} MiB in {Nanoseconds / 1e6:0.0} ms ({BytesPerSecond / (1 << 30):0.0} GiB/s) by {ThreadCount} threads, {Pages} pages by {Policy}");
}

/// <summary>Why a step did not work.</summary>
/// <param name="Reason">A clause for the chain that the user reads: "madvise(MADV_HUGEPAGE): Invalid argument (22)".</param>
/// <param name="IsLasting">True: it will never work here, do not try again. False: it may work another time (a pool was dry).</param>
internal readonly record struct PrefaultFailure(string Reason, bool IsLasting);

/// <summary>One way of putting physical pages behind a range: which pages, by which policy. Never Automatic.</summary>
internal readonly record struct PrefaultStep(PageKind Pages, PrefaultPolicy Policy);

/// <summary>What became of one step of a chain so far. Written under the chain's lock.</summary>
internal sealed class PrefaultStepRecord(PrefaultStep step)
{
    public PrefaultStep Step { get; } = step;

    /// <summary>What the check of the first SuperSlab said; null until it was made.</summary>
    public string? Verification { get; set; }

    /// <summary>Whether it provided ranges that were too small to be checked.</summary>
    public bool WasUsed { get; set; }

    /// <summary>Why it failed last; null when it never did.</summary>
    public string? Failure { get; set; }

    /// <summary>Whether it failed before any policy came into it: the kind of pages was not to be had.</summary>
    public bool FailedForPages { get; set; }

    /// <summary>Whether it is not to be tried again.</summary>
    public bool IsLeft { get; set; }

    /// <summary>How many ranges fell through it to the next step.</summary>
    public long FallenCount { get; set; }
}

/// <summary>The policies that need no help from the operating system: write to every page, or to every byte.</summary>
internal static unsafe class PageToucher
{
    /// <summary>
    /// One write to each page, which keeps its contents. A locked or-with-zero is one write fault; reading first and
    /// writing back would be two (the read maps the shared zero page).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Touch(nint address, nuint bytes, nuint pageBytes)
    {
        for (nuint offset = 0; offset < bytes; offset += pageBytes)
            Interlocked.Or(ref *(int*)((nuint)address + offset), 0);
    }

    /// <summary>Overwrites the range with zeros.</summary>
    public static void Clear(nint address, nuint bytes) => NativeMemory.Clear((void*)address, bytes);
}
