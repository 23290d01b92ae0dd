using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using CommunityToolkit.HighPerformance.Helpers;

namespace SuperSlab;

/// <summary>
/// Puts physical pages behind a reserved range by the best step that works on this machine, so that no later write to
/// it faults. The steps come from <see cref="PrefaultTable"/>; a <see cref="PrefaultChain"/> keeps how each fared: one
/// chain for ranges that huge pages fit, and one for the rest (a few pages of metadata).  Either the whole range is
/// committed and resident afterwards, or an exception is thrown and the range is reserved as before. Where the system
/// refuses to take it back, <see cref="VirtualMemory.DecommitRefused"/> reports the range; the exception still says why
/// the prefault failed, and is no EngineMemoryException. Any thread; never in the hot loop.
/// </summary>
internal sealed class Prefaulter
{
    /// <summary>From this size on several threads pay off.</summary>
    public const nuint LargeBytes = 64 << 20;

    /// <summary>How much a step provides before it is verified.</summary>
    private const nuint VerifiedBytes = 2 << 20;

    private readonly VirtualMemory _os;
    private readonly MemoryHeadroom _headroom;
    private readonly StayChain _stay;
    private readonly PrefaultChain _hugeChain;
    private readonly PrefaultChain _smallChain;
    private long _nanoseconds;

    /// <param name="os">The system.</param>
    /// <param name="policy">The policy to try first.</param>
    /// <param name="pages">The kind of pages to try first.</param>
    /// <param name="stay">What keeps the pages where they are afterwards.</param>
    /// <param name="headroomBytes">What stays free of the machine's or container's memory; null for a share.</param>
    public Prefaulter(
        VirtualMemory os, PrefaultPolicy policy, PageKind pages, StayPolicy stay = StayPolicy.None,
        nuint? headroomBytes = null)
        : this(os, new PrefaultChoice(policy, pages, stay), headroomBytes)
    {
    }

    /// <inheritdoc cref="Prefaulter(VirtualMemory, PrefaultPolicy, PageKind, StayPolicy, nuint?)"/>
    public Prefaulter(VirtualMemory os, PrefaultChoice choice, nuint? headroomBytes)
    {
        _os = os;
        _stay = new StayChain(os, choice.Stay);
        _headroom = new MemoryHeadroom(os, headroomBytes);
        _hugeChain = CreateChain(os, choice.Policy, choice.Pages);
        _smallChain = CreateChain(os, choice.Policy, PageKind.Normal);
        ProvidesParts = choice.Granularity == PrefaultGranularity.Slab && choice.Policy != PrefaultPolicy.None
            && choice.Pages != PageKind.ExplicitHuge && !KeepsPages;
    }

    /// <summary>The time that providing memory took so far, summed over the callers.</summary>
    public long Nanoseconds => Interlocked.Read(ref _nanoseconds);

    /// <summary>What stays free of the memory of the machine or its container, in bytes.</summary>
    public nuint HeadroomBytes => _headroom.KeptBytes;

    /// <summary>Whether a SuperSlab of which few slabs are needed gets memory for those alone.</summary>
    public bool ProvidesParts { get; }

    /// <summary>Whether it keeps pages where they are.</summary>
    public bool KeepsPages => _stay.IsOn;

    /// <summary>Keeps a range that is resident already as it keeps those that it provides.</summary>
    public void Keep(nint address, nuint bytes, PageKind pages) => _stay.Keep(address, bytes, pages);

    /// <summary>Commits the range and puts physical pages behind it.</summary>
    /// <exception cref="EngineOutOfMemoryException">Not enough memory, or no step worked.</exception>
    public void Provide(nint address, nuint bytes) => Provide(address, bytes, 1, null, CancellationToken.None);

    /// <summary>
    /// Commits the range and populates it, by several threads where it is large. Any of them reports to
    /// <paramref name="progress"/> the part that is done, 0 to 1.
    /// </summary>
    /// <exception cref="EngineOutOfMemoryException">Not enough memory, or no step worked.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the range is reserved as before.</exception>
    /// <exception cref="Exception">What <paramref name="progress"/> threw; the range is reserved as before.</exception>
    public PrefaultReport Provide(
        nint address, nuint bytes, int threads, IProgress<double>? progress, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        PrefaultRange range = new(address, bytes, Math.Max(threads, 1), progress, cancellation);
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
            if (isPrepared && TryPopulateOrUndo(chain, index, range, out failure, out refusal))
                return Report(range, step, start);

            bool failedForPages = (!isPrepared || failure.IsForPages) && step.Pages != PageKind.Normal;
            index = chain.Fell(index, failure, failedForPages);
            if (refusal.Length != 0)
                ThrowNotUndone(bytes, failure.Reason, refusal); // the next step needs a reserved range
        }

        ThrowNothingWorked(bytes, chain.LastFailure);
        return default;
    }

    /// <summary>Commits the range, and puts normal pages behind its first bytes alone.</summary>
    /// <exception cref="EngineOutOfMemoryException">Not enough memory, or no step worked. The range is reserved as
    /// before.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the range is reserved as before.</exception>
    public void ProvidePart(nint address, nuint bytes, nuint residentBytes, CancellationToken cancellation)
    {
        _ = Provide(address, residentBytes, 1, null, cancellation);
        bool isCommitted = _os.TryPrepare(
            address + (nint)residentBytes, bytes - residentBytes, PrefaultStep.CommitOnly, out PrefaultFailure failure);
        if (isCommitted)
            return;

        _ = _os.TryDecommit(address, residentBytes, out string refusal);
        if (refusal.Length != 0)
            ThrowNotUndone(bytes, failure.Reason, refusal);

        ThrowNothingWorked(bytes, failure.Reason);
    }

    /// <summary>Puts normal pages behind a range that is committed, and lost some. Contents stay.</summary>
    /// <exception cref="EngineOutOfMemoryException">Not enough memory, or no step worked. Nothing has
    /// changed.</exception>
    public void Refill(nint address, nuint bytes)
    {
        string reason = "the system unmapped these addresses, and they belong to somebody else now";
        if (!_os.IsLost(address, bytes))
        {
            PrefaultFailure failure = default;
            int index = _smallChain.NextToTry(0);
            bool isAsked = index < _smallChain.StepCount && _smallChain.StepAt(index).Policy != PrefaultPolicy.None;
            if (isAsked)
                _headroom.Take(bytes);

            for (; isAsked && index < _smallChain.StepCount; index = _smallChain.NextToTry(index + 1))
            {
                // Populating at the mapping would need a new one.
                // Clearing would overwrite what others wrote meanwhile.
                PrefaultStep step = _smallChain.StepAt(index);
                if (step.Policy == PrefaultPolicy.Clear)
                    step = step with { Policy = PrefaultPolicy.Touch };

                if (step.Policy != PrefaultPolicy.PopulateAtMapping && TryPopulate(address, bytes, step, out failure))
                    return;
            }

            if (!isAsked)
                return;

            reason = failure.Reason ?? _smallChain.LastFailure;
        }

        ThrowNothingWorked(bytes, reason);
    }

    /// <summary>What was tried, what came of it, and what is in use, in one line.</summary>
    public string Describe() =>
        _stay.Describe() is { Length: > 0 } stay ? $"{_hugeChain.Describe()}; {stay}" : _hugeChain.Describe();

    /// <summary>The steps in their order, each with its name, its outcome and the reason.</summary>
    public IReadOnlyList<(string Name, string Outcome, string Reason)> Steps() =>
        [.. _hugeChain.Steps(), .. _stay.Steps()];

    private static PrefaultChain CreateChain(VirtualMemory os, PrefaultPolicy policy, PageKind pages)
    {
        PrefaultStep[] steps = PrefaultTable.Chain(os.Facts.System, policy, pages);
        List<string> missing = [];
        bool isHuge = pages is PageKind.ExplicitHuge or PageKind.TransparentHuge;
        if (isHuge && !Array.Exists(steps, step => step.Pages == pages))
            missing.Add($"{os.NameOf(pages)}: {os.ReasonAgainst(pages)}");

        if (policy != PrefaultPolicy.Automatic && !Array.Exists(steps, step => step.Policy == policy))
            missing.Add($"{os.NameOf(policy)}: not on this system");

        bool isCombination = policy != PrefaultPolicy.Automatic && pages != PageKind.Automatic;
        if (missing.Count == 0 && isCombination && !steps.Contains(new PrefaultStep(pages, policy)))
            missing.Add($"{os.NameOf(policy)}: not with {os.NameOf(pages)}");

        return new PrefaultChain(os, steps, string.Join("; ", missing));
    }

    /// <summary>Where there are no huge pages, one chain serves all.</summary>
    private bool FitsHugePages(nint address, nuint bytes)
    {
        nuint huge = _os.Facts.HugePageBytes;
        return huge == 0 || (((nuint)address | bytes) & (huge - 1)) == 0;
    }

    private PrefaultReport Report(PrefaultRange range, PrefaultStep step, long start)
    {
        long nanoseconds = (long)Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        Interlocked.Add(ref _nanoseconds, nanoseconds);
        int threads = range.Bytes < LargeBytes ? 1 : range.Threads;
        return new PrefaultReport(range.Bytes, nanoseconds, threads, step.Pages, step.Policy);
    }

    /// <summary>
    /// On false and on an exception the range is reserved again; where the system refused that, <paramref
    /// name="refusal"/> is its reason.
    /// </summary>
    private bool TryPopulateOrUndo(
        PrefaultChain chain, int index, PrefaultRange range, out PrefaultFailure failure, out string refusal)
    {
        refusal = string.Empty;
        bool isDone;
        try
        {
            isDone = TryPopulateVerified(chain, index, range, out failure);
        }
        catch
        {
            _ = _os.TryDecommit(range.Address, range.Bytes, out _); // what interrupted it says more than a refusal
            throw;
        }

        if (!isDone)
            _ = _os.TryDecommit(range.Address, range.Bytes, out refusal);

        return isDone;
    }

    /// <summary>Tries an unverified step on one SuperSlab before it populates the rest.</summary>
    private bool TryPopulateVerified(PrefaultChain chain, int index, PrefaultRange range, out PrefaultFailure failure)
    {
        failure = default;
        PrefaultStep step = chain.StepAt(index);
        if (chain.IsVerified(index))
            return TryPopulateRest(range, step, out failure);

        nuint first = nuint.Min(range.Bytes, VerifiedBytes);
        if (!_os.TryPopulate(range.Address, first, step, out failure)
            || !chain.TryVerify(index, range.Address, first, out failure))
        {
            return false;
        }

        Stay(range.Address, first, step);
        return first == range.Bytes || TryPopulateRest(range.From(first), step, out failure);
    }

    private bool TryPopulateRest(PrefaultRange range, PrefaultStep step, out PrefaultFailure failure)
    {
        bool isAlone = range is { Threads: 1, Progress: null, Cancellation.CanBeCanceled: false };
        if (isAlone || range.Bytes < LargeBytes - VerifiedBytes)
            return TryPopulate(range.Address, range.Bytes, step, out failure);

        var work = new ParallelPopulation(_os, TryPopulate, range, step);
        ParallelHelper.For(0, range.Threads, new ParallelPopulation.Worker(work));
        work.Interruption?.Throw();
        failure = work.Failure.GetValueOrDefault();
        if (work.Failure is null)
            range.Cancellation.ThrowIfCancellationRequested(); // by the last report, too: a worker may report late

        return work.IsDone;
    }

    private bool TryPopulate(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        bool isDone = _os.TryPopulate(address, bytes, step, out failure);
        if (isDone)
            Stay(address, bytes, step);

        return isDone;
    }

    private void Stay(nint address, nuint bytes, PrefaultStep step)
    {
        if (step.Policy != PrefaultPolicy.None)
            _stay.Keep(address, bytes, step.Pages);
    }

    [DoesNotReturn]
    private static void ThrowNotUndone(nuint bytes, string reason, string refusal) =>
        throw new EngineOutOfMemoryException(
            $"Physical memory could not be put behind {Sizes.Exact(bytes)}: {reason}. The system then refused to "
            + $"take back what had come ({refusal}), so no other policy was tried; that memory stays resident until it "
            + "is used or given back.");

    [DoesNotReturn]
    private static void ThrowNothingWorked(nuint bytes, string reason) => throw new EngineOutOfMemoryException(
        $"No prefault policy could put physical memory behind {Sizes.Exact(bytes)}; the last one tried said: "
        + $"{reason}.");
}

/// <summary>How memory is made resident, with which pages, what keeps them, and how much at a time.</summary>
internal readonly record struct PrefaultChoice(
    PrefaultPolicy Policy, PageKind Pages, StayPolicy Stay,
    PrefaultGranularity Granularity = PrefaultGranularity.SuperSlab);

/// <summary>A range to prefault, and how.</summary>
internal readonly record struct PrefaultRange(
    nint Address, nuint Bytes, int Threads, IProgress<double>? Progress, CancellationToken Cancellation)
{
    /// <summary>The rest of the range behind its first <paramref name="offset"/> bytes.</summary>
    public PrefaultRange From(nuint offset) => this with { Address = Address + (nint)offset, Bytes = Bytes - offset };
}

/// <summary>How a large prefault runs.</summary>
/// <param name="Threads">How many threads share the work.</param>
/// <param name="Progress">Hears of the progress, 0 to 1; null for nobody.</param>
/// <param name="Cancellation">Stops it.</param>
/// <param name="Prefaulter">Its policy; null for the pool's own.</param>
internal sealed record PrefaultTask(
    int Threads, IProgress<double>? Progress, CancellationToken Cancellation, Prefaulter? Prefaulter = null)
{
    /// <summary>The task for a part of the whole, which begins at a place in 0 to 1.</summary>
    public PrefaultTask Part(double start, double share) =>
        Progress is null || share == 1 ? this : this with { Progress = new PartProgress(Progress, start, share) };
}

/// <summary>Reports the progress of a part as progress of the whole, which both run from 0 to 1.</summary>
internal sealed class PartProgress(IProgress<double> whole, double start, double share) : IProgress<double>
{
    /// <inheritdoc/>
    public void Report(double value) => whole.Report(Math.Min(start + (value * share), 1));
}

/// <summary>What a prefault did and how long it took.</summary>
/// <param name="Bytes">How much was committed and made resident.</param>
/// <param name="Nanoseconds">How long it took, from the first call to the last.</param>
/// <param name="ThreadCount">How many threads were asked to take part.</param>
/// <param name="Pages">The kind of pages that stands behind the range.</param>
/// <param name="Policy">The policy that put them there.</param>
public readonly record struct PrefaultReport(
    ulong Bytes, long Nanoseconds, int ThreadCount, PageKind Pages, PrefaultPolicy Policy)
{
    /// <summary>Memory bandwidth: bytes made resident in a second; 0 when it took no measurable time.</summary>
    public double BytesPerSecond => Nanoseconds <= 0 ? 0 : Bytes * 1e9 / Nanoseconds;

    /// <summary>"1 GiB in 71.3 ms (14 GiB/s) by 2 threads, transparent-huge pages by populate-write".</summary>
    public override string ToString() =>
        $"{Sizes.Text((nuint)Bytes)} in {Times.Text(Nanoseconds)} ({Sizes.Text((nuint)BytesPerSecond)}/s) by "
        + $"{Sizes.Count(ThreadCount, "thread", "threads")}, {SettingWords.Pages.WordOf(Pages)} pages by "
        + SettingWords.Prefault.WordOf(Policy);
}

/// <summary>What a policy and a kind of pages come to on the running machine, tried on one SuperSlab.</summary>
/// <param name="Policy">The policy that was asked for.</param>
/// <param name="Pages">The kind of pages that was asked for.</param>
/// <param name="IsObtained">Whether the SuperSlab got both, without a fallback.</param>
/// <param name="Description">What was tried and what came of it, as <see cref="EngineMemory.PrefaultDescription"/> has
/// it.</param>
internal sealed record PrefaultTrial(PrefaultPolicy Policy, PageKind Pages, bool IsObtained, string Description)
{
    private const nuint SuperSlabBytes = 2 << 20;

    /// <summary>Tries it. <c>Automatic</c> is always obtained. Any thread; not in the hot loop.</summary>
    /// <exception cref="EngineMemoryException">The system lacks a function, or refused a release.</exception>
    public static PrefaultTrial Run(PrefaultPolicy policy, PageKind pages)
    {
        VirtualMemory os = VirtualMemory.Create();
        if (!os.TryReserve(SuperSlabBytes, SuperSlabBytes, out nint address))
            return new PrefaultTrial(policy, pages, false, "the system refused 2 MiB of address space");

        try
        {
            var prefaulter = new Prefaulter(os, policy, pages);
            PrefaultReport report = prefaulter.Provide(address, SuperSlabBytes, 1, null, CancellationToken.None);
            bool isPolicy = policy == PrefaultPolicy.Automatic || policy == report.Policy;
            bool isKind = pages == PageKind.Automatic || pages == report.Pages;
            return new PrefaultTrial(policy, pages, isPolicy && isKind, prefaulter.Describe());
        }
        catch (EngineOutOfMemoryException error)
        {
            return new PrefaultTrial(policy, pages, false, error.Message);
        }
        finally
        {
            os.Release(address, SuperSlabBytes);
        }
    }
}
