using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>Holds one arena to its limits and counts how often it went beyond. Asked only when the arena takes SuperSlabs.</summary>
internal sealed class BudgetMeter
{
    /// <summary>The limits in force.</summary>
    public ArenaBudget Limits { get; set; } = new();

    /// <summary>How often SuperSlabs were taken beyond the soft limit.</summary>
    public long SoftOverruns { get; private set; }

    /// <summary>How often SuperSlabs were asked for beyond the hard limit, granted or not.</summary>
    public long HardOverruns { get; private set; }

    /// <summary>Whether the arena may take so many bytes more.</summary>
    public bool Admits(nuint heldBytes, nuint moreBytes, int sizeClass)
    {
        ArenaBudget limits = Limits;
        nuint after = heldBytes + moreBytes;
        if (limits.SoftBytes != 0 && after > limits.SoftBytes)
        {
            SoftOverruns++;
        }

        if (limits.HardBytes == 0 || after <= limits.HardBytes)
        {
            return true;
        }

        HardOverruns++;
        return limits.Overflow switch
        {
            ArenaOverflow.Fail => false,
            ArenaOverflow.Callback => limits.OnOverflow?.Invoke(
                new ArenaOverflowRequest(heldBytes, moreBytes, sizeClass == Demand.NoClass ? 0 : SizeClasses.BlockBytes(sizeClass))) ?? false,
            _ => true,
        };
    }
}
