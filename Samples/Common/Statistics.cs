namespace Samples.Common;

/// <summary>The few figures the samples report about repeated measurements.</summary>
public static class Statistics
{
    /// <summary>The middle value; of an even number of values, the lower of the two in the middle, so it is one that was measured.</summary>
    /// <exception cref="ArgumentException">There are no values.</exception>
    public static T Median<T>(IEnumerable<T> values)
        where T : IComparable<T>
    {
        T[] sorted = Sorted(values);
        return sorted[(sorted.Length - 1) / 2];
    }

    /// <summary>
    /// The smallest value that at least <paramref name="percent"/> per cent of the sorted values do not exceed (the nearest-rank
    /// definition). Of no values it is 0.
    /// </summary>
    public static long Percentile(ReadOnlySpan<long> sorted, int percent)
    {
        if (sorted.IsEmpty)
        {
            return 0;
        }

        long rank = ((long)sorted.Length * percent + 99) / 100;
        return sorted[(int)Math.Max(rank, 1) - 1];
    }

    private static T[] Sorted<T>(IEnumerable<T> values)
        where T : IComparable<T>
    {
        T[] sorted = [.. values];
        if (sorted.Length == 0)
        {
            throw new ArgumentException("A median needs at least one value.", nameof(values));
        }

        Array.Sort(sorted);
        return sorted;
    }
}
