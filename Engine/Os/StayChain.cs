namespace SuperSlab;

/// <summary>
/// Keeps pages that a prefault made resident where they are: pinned, else locked, else as the kernel likes; and says
/// why. It never fails a prefault. Any thread; not in the hot loop.
/// </summary>
/// <param name="os">The system that owns the pages.</param>
/// <param name="policy">What was asked for.</param>
internal sealed class StayChain(VirtualMemory os, StayPolicy policy)
{
    private const string InForce = "in force";

    private readonly Lock _lock = new();
    private readonly Lazy<string?> _limit = new(() => policy == StayPolicy.Automatic ? os.LockedMemoryLimit : null);
    private readonly StayStep _pin = new();
    private readonly StayStep _huge = new();
    private readonly StayStep _memoryLock = new();
    private readonly StayStep _nothing = new();

    /// <summary>Whether pages are to stay.</summary>
    public bool IsOn => policy != StayPolicy.None;

    /// <summary>Keeps a populated range until it is given back or moved. What is kept already stays so.</summary>
    public void Keep(nint address, nuint bytes, PageKind pages)
    {
        if (!IsOn)
            return;

        os.AdviseAgainstMoves(address, bytes, pages);
        Used(StepFor(address, bytes, pages));
    }

    /// <summary>"io_uring pins: ok", or what fell, why, and what came instead. Empty without a policy.</summary>
    public string Describe() => string.Join("; ", Steps().Select(static step =>
        step.Reason.Length == 0 ? $"{step.Name}: ok"
        : step.Outcome == InForce ? $"{step.Name}: ok, later {step.Reason}"
        : $"{step.Name}: {step.Reason}"));

    /// <summary>The steps that were tried, each with its outcome, "in force" or "left", and what went wrong.</summary>
    public IReadOnlyList<(string Name, string Outcome, string Reason)> Steps()
    {
        if (!IsOn)
            return [];

        (string Name, StayStep Step)[] all =
        [
            (os.NameOf(StayPolicy.Pin), _pin),
            (os.NameOf(PageKind.ExplicitHuge) + ", which compaction skips", _huge),
            (os.NameOf(StayPolicy.Lock), _memoryLock),
            ("nothing, so pages may be moved and taken back", _nothing),
        ];
        lock (_lock)
        {
            return [.. from tried in all
                       where tried.Step.IsUsed || tried.Step.Failure is not null
                       select ("stay: " + tried.Name, tried.Step.IsUsed ? InForce : "left", tried.Step.Failure ?? "")];
        }
    }

    private StayStep StepFor(nint address, nuint bytes, PageKind pages)
    {
        bool pins = policy != StayPolicy.Lock;
        if (_limit.Value is { } limit)
        {
            Fell(_pin, new PrefaultFailure($"not unasked, as {limit}", IsLasting: true));
            return _nothing;
        }

        return pins && TryKeep(_pin, address, bytes) ? _pin
            : pins && pages == PageKind.ExplicitHuge ? _huge
            : TryKeep(_memoryLock, address, bytes) ? _memoryLock
            : _nothing;
    }

    private bool TryKeep(StayStep step, nint address, nuint bytes)
    {
        if (step.IsLeft)
            return false;

        bool isKept = step == _pin
            ? os.TryPin(address, bytes, out PrefaultFailure failure)
            : os.TryPopulate(address, bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.Lock), out failure);
        if (!isKept)
            Fell(step, failure);

        return isKept;
    }

    private void Used(StayStep step)
    {
        lock (_lock)
            step.IsUsed = true;
    }

    private void Fell(StayStep step, PrefaultFailure failure)
    {
        lock (_lock)
        {
            step.Failure = failure.Reason;
            step.IsLeft |= failure.IsLasting;
        }
    }
}

/// <summary>One way to keep pages, and how it fared. The chain's lock guards it.</summary>
internal sealed class StayStep
{
    public bool IsUsed { get; set; } // it keeps, or kept, some range

    public string? Failure { get; set; } // the last one

    public bool IsLeft { get; set; } // it is not to be tried again
}
