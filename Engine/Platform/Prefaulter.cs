using System.Diagnostics.CodeAnalysis;
using System.Text;
using CommunityToolkit.HighPerformance.Helpers;
using Engine.Core;

namespace Engine.Platform;

/// <summary>
/// Puts physical pages behind a reserved range by the best step that works on this machine, so that no later write to it
/// faults. The chain of steps is tried from the first on; one that cannot work here is not tried again.
///
/// Either the whole range is committed and resident afterwards, or an exception was thrown and the range is reserved as
/// before. Any thread; never in the hot loop.
/// </summary>
internal sealed class Prefaulter
{
    /// <summary>From this size on it pays to use several threads.</summary>
    public const nuint LargeBytes = 64 << 20;

    private readonly VirtualMemory _os;
    private readonly PrefaultStep[] _steps;
    private readonly string?[] _reasons;
    private int _current;

    public Prefaulter(VirtualMemory os, PrefaultPolicy policy, PageKind pages)
    {
        _os = os;
        _steps = ChainOf(os.Facts, policy, pages);
        _reasons = new string?[_steps.Length];
    }

    /// <summary>The step in use now, for ranges that huge pages fit.</summary>
    public PrefaultStep CurrentStep => _steps[Volatile.Read(ref _current)];

    /// <summary>Commits the range and puts physical pages behind it.</summary>
    public void Provide(nint address, nuint bytes) => Provide(address, bytes, 1, null, CancellationToken.None);

    /// <summary>
    /// The same, by several threads where the range is large. <paramref name="progress"/> is told the part that is done,
    /// 0 to 1, from whichever thread did it.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled; the range is reserved as before.</exception>
    public void Provide(nint address, nuint bytes, int threads, IProgress<double>? progress, CancellationToken cancellation)
    {
        nuint huge = _os.Facts.HugePageBytes;
        bool fitsHugePages = huge != 0 && (((nuint)address | bytes) & (huge - 1)) == 0;
        string? lastReason = null;
        for (int i = Volatile.Read(ref _current); i < _steps.Length; i++)
        {
            PrefaultStep step = fitsHugePages ? _steps[i] : _steps[i] with { Pages = PageKind.Normal };
            if (TryProvide(address, bytes, step, threads, progress, cancellation, out PrefaultFailure failure))
            {
                return;
            }

            lastReason = failure.Reason;
            _reasons[i] = failure.Reason;
            if (failure.IsLasting)
            {
                Interlocked.CompareExchange(ref _current, Math.Min(i + 1, _steps.Length - 1), i);
            }
        }

        ThrowNothingWorked(bytes, lastReason);
    }

    /// <summary>The chain with the reasons why a step was left.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        for (int i = 0; i < _steps.Length && i <= _current; i++)
        {
            text.Append(i == 0 ? string.Empty : "; ")
                .Append(_steps[i].Pages).Append(" pages by ").Append(_steps[i].Policy).Append(": ").Append(_reasons[i] ?? "ok");
        }

        return text.ToString();
    }

    private bool TryProvide(
        nint address,
        nuint bytes,
        PrefaultStep step,
        int threads,
        IProgress<double>? progress,
        CancellationToken cancellation,
        out PrefaultFailure failure)
    {
        cancellation.ThrowIfCancellationRequested();
        if (!_os.TryPrepare(address, bytes, step, out failure))
        {
            return false;
        }

        bool isDone;
        if (bytes < LargeBytes || (threads <= 1 && progress is null && !cancellation.CanBeCanceled))
        {
            isDone = _os.TryPopulate(address, bytes, step, out failure);
        }
        else
        {
            var work = new ParallelPopulation(_os, address, bytes, step, progress, cancellation);
            ParallelHelper.For(0, Math.Max(threads, 1), new ParallelPopulation.Worker(work));
            isDone = work.IsDone;
            failure = work.Failure;
        }

        if (!isDone)
        {
            _os.Decommit(address, bytes);
            cancellation.ThrowIfCancellationRequested();
        }

        return isDone;
    }

    private static PrefaultStep[] ChainOf(PlatformFacts facts, PrefaultPolicy policy, PageKind pages)
    {
        if (policy == PrefaultPolicy.None)
        {
            return [new(pages == PageKind.TransparentHuge ? pages : PageKind.Normal, PrefaultPolicy.None)];
        }

        var steps = new List<PrefaultStep>();
        PrefaultPolicy first = policy == PrefaultPolicy.Automatic ? PrefaultPolicy.PopulateWrite : policy;
        if (facts.HasTransparentHugePages && pages != PageKind.Normal)
        {
            steps.Add(new(PageKind.TransparentHuge, first));
        }

        steps.Add(new(PageKind.Normal, first));
        steps.Add(new(PageKind.Normal, PrefaultPolicy.Touch));
        return [.. steps];
    }

    [DoesNotReturn]
    private static void ThrowNothingWorked(nuint bytes, string? reason) => throw new EngineOutOfMemoryException(
        $"No prefault policy could put physical memory behind {bytes} bytes; the last one said: {reason}.");
}
