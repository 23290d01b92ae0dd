namespace SuperSlab;

/// <summary>
/// Holds one arena to its limits and counts how often it went beyond. Asked before the arena takes SuperSlabs: what is admitted counts as
/// held from then on, so several threads together stay within the limit too. Any thread; nothing waits.
/// </summary>
internal sealed class BudgetMeter
{
    private ArenaBudget _limits = new();
    private long _held;
    private long _softOverruns;
    private long _hardOverruns;

    /// <summary>The limits in force.</summary>
    public ArenaBudget Limits
    {
        get => Volatile.Read(ref _limits);
        set => Volatile.Write(ref _limits, value);
    }

    /// <summary>The gates of the arena's memory and of the arena, which the budget's function is called inside of; null where there are none.</summary>
    public WorkGate? OuterWork { get; set; }

    /// <inheritdoc cref="OuterWork"/>
    public WorkGate? Work { get; set; }

    /// <summary>SuperSlabs that the arena owns, or is about to.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>How often SuperSlabs were taken beyond the soft limit.</summary>
    public long SoftOverruns => Volatile.Read(ref _softOverruns);

    /// <summary>How often SuperSlabs were asked for beyond the hard limit, granted or not.</summary>
    public long HardOverruns => Volatile.Read(ref _hardOverruns);

    /// <summary>Admits SuperSlabs, which are held from now on. <see cref="Return"/> takes back what was not used.</summary>
    /// <param name="superSlabs">How many more the arena wants.</param>
    /// <param name="sizeClass">For blocks of which class.</param>
    /// <param name="isLast">
    /// False where the arena can still give back what it does not use: then nothing is counted beyond the hard limit, and nobody is asked.
    /// </param>
    /// <remarks>The budget's callback runs here, under no lock. What it throws goes to the caller, and nothing has changed.</remarks>
    public bool TryTake(int superSlabs, int sizeClass, bool isLast)
    {
        ArenaBudget limits = Limits;
        while (true)
        {
            long held = Held;
            nuint after = (nuint)(held + superSlabs) << SlabGeometry.SuperSlabShift;
            if (limits.HardBytes != 0 && after > limits.HardBytes)
                return TryTakeBeyond(limits, held, superSlabs, sizeClass, isLast);

            if (Interlocked.CompareExchange(ref _held, held + superSlabs, held) == held)
            {
                CountSoft(limits, after);
                return true;
            }
        }
    }

    /// <summary>Admitted SuperSlabs are not held any more.</summary>
    public void Return(int superSlabs) => Interlocked.Add(ref _held, -superSlabs);

    private bool TryTakeBeyond(ArenaBudget limits, long held, int superSlabs, int sizeClass, bool isLast)
    {
        if (!isLast && limits.Overflow != ArenaOverflow.Grow)
            return false;

        Interlocked.Increment(ref _hardOverruns);
        bool admits = limits.Overflow switch
        {
            ArenaOverflow.Fail => false,
            ArenaOverflow.Callback => limits.OnOverflow is { } ask && Ask(ask, new ArenaOverflowRequest(
                (nuint)held << SlabGeometry.SuperSlabShift,
                (nuint)superSlabs << SlabGeometry.SuperSlabShift,
                sizeClass == Demand.NoClass ? 0 : SizeClasses.BlockBytes(sizeClass))),
            _ => true,
        };
        if (admits)
            CountSoft(limits, (nuint)Interlocked.Add(ref _held, superSlabs) << SlabGeometry.SuperSlabShift);

        return admits;
    }

    /// <summary>Asks inside of the gates, so that a dispose by the function itself is refused instead of taking the arena away under it.</summary>
    private bool Ask(Func<ArenaOverflowRequest, bool> ask, ArenaOverflowRequest request)
    {
        WorkGate.Entry outer = default;
        if (OuterWork is not null && !OuterWork.TryEnter(out outer))
            return false;

        using (outer)
        {
            WorkGate.Entry inner = default;
            if (Work is not null && !Work.TryEnter(out inner))
                return false;

            using (inner)
            {
                return ask(request);
            }
        }
    }

    private void CountSoft(ArenaBudget limits, nuint after)
    {
        if (limits.SoftBytes != 0 && after > limits.SoftBytes)
            Interlocked.Increment(ref _softOverruns);
    }
}
