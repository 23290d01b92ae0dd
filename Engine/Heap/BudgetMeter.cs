using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace SuperSlab;

/// <summary>Holds one arena to its limits and counts the overruns. Any thread; nothing waits.</summary>
/// <remarks>
/// Asked before the arena takes SuperSlabs, or a small arena slabs: the unit of all counts. What is admitted counts as
/// held at once, so several threads together stay within the limit.
/// </remarks>
internal sealed class BudgetMeter(int unitShift = SlabGeometry.SuperSlabShift)
{
    private static readonly ArenaBudget s_none = new();

    private ArenaBudget _limits = s_none;
    private long _held;
    private long _softOverruns;
    private long _hardOverruns;

    public ArenaBudget Limits
    {
        get => Volatile.Read(ref _limits);
        set => Volatile.Write(ref _limits, value);
    }

    /// <summary>The memory's gate, inside of which the budget's callback runs; null where there is none.</summary>
    public WorkGate? OuterWork { get; set; }

    /// <summary>The arena's gate, the inner one; null where there is none.</summary>
    public WorkGate? Work { get; set; }

    /// <summary>Whose budget it is, as a sentence begins.</summary>
    public string Owner { get; set; } = "The arena";

    /// <summary>Units that the arena owns or is about to.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>How often units were taken beyond the soft limit.</summary>
    public long SoftOverruns => Volatile.Read(ref _softOverruns);

    /// <summary>How often units beyond the hard limit were asked for, granted or not.</summary>
    public long HardOverruns => Volatile.Read(ref _hardOverruns);

    /// <summary>Admits units, which are held from now on. <see cref="Return"/> gives up those not used.</summary>
    /// <remarks>
    /// The budget's callback runs here, under no lock; its exceptions change nothing. If this is not the last try,
    /// because the arena can reclaim, no callback runs and no overrun counts.
    /// </remarks>
    public bool TryTake(int units, int sizeClass, bool isLast)
    {
        ArenaBudget limits = Limits;
        while (true)
        {
            long held = Held;
            nuint after = (nuint)(held + units) << unitShift;
            if (limits.HardBytes != 0 && after > limits.HardBytes)
                return TryTakeBeyond(limits, held, units, sizeClass, isLast);

            if (Interlocked.CompareExchange(ref _held, held + units, held) == held)
            {
                CountSoft(limits, after);
                return true;
            }
        }
    }

    /// <summary>Admitted units are held no more.</summary>
    public void Return(int units)
    {
        long held = Interlocked.Add(ref _held, -units);
        Debug.Assert(held >= 0, "only what was admitted returns");
    }

    /// <summary>Begins anew, for another arena that holds nothing yet.</summary>
    public void Begin(ArenaBudget? limits)
    {
        Debug.Assert(_held == 0, "the arena before has returned all");
        Limits = limits ?? s_none;
        _softOverruns = _hardOverruns = 0;
    }

    /// <exception cref="EngineOutOfMemoryException">Always.</exception>
    [DoesNotReturn]
    public void ThrowOver(int units, int sizeClass = Demand.NoClass)
    {
        string block = sizeClass is Demand.NoClass or SizeClasses.Huge ? ""
            : $", for a block of {Sizes.Text(SizeClasses.BlockBytes(sizeClass))}";
        throw new EngineOutOfMemoryException(
            $"{Owner} holds {Sizes.Text((nuint)Held << unitShift)} and asked for "
                + $"{Sizes.Text((nuint)units << unitShift)} more{block}, over its hard budget of "
                + $"{Sizes.Text(Limits.HardBytes)}.");
    }

    private bool TryTakeBeyond(ArenaBudget limits, long held, int units, int sizeClass, bool isLast)
    {
        if (!isLast && limits.Overflow != ArenaOverflow.Grow)
            return false;

        Interlocked.Increment(ref _hardOverruns);
        bool admits = limits.Overflow switch
        {
            ArenaOverflow.Fail => false,
            ArenaOverflow.Callback => Ask(limits.OnOverflow, held, units, sizeClass),
            _ => true,
        };
        if (admits)
            CountSoft(limits, (nuint)Interlocked.Add(ref _held, units) << unitShift);

        return admits;
    }

    /// <summary>Runs the callback inside the gates, which refuse a dispose by it: the arena outlives it.</summary>
    private bool Ask(Func<ArenaOverflowRequest, bool>? ask, long held, int units, int sizeClass)
    {
        if (ask is null)
            return false;

        ArenaOverflowRequest request = new(
            (nuint)held << unitShift,
            (nuint)units << unitShift,
            sizeClass == Demand.NoClass ? 0 : SizeClasses.BlockBytes(sizeClass));
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
