using System.Globalization;

namespace Samples.Benchmarks.Scaling;

/// <summary>The numbers of threads to measure with.</summary>
internal static class ThreadCounts
{
    // A scene plan knows up to 512, of which lives need two for each.
    private const int Most = 255;
    private const int OversubscribedPerProcessor = 4;

    /// <summary>Powers of two up to the processors of the machine, the processors themselves, and four for each of them.</summary>
    public static int[] Default(int processors)
    {
        List<int> counts = [];
        for (int count = 1; count < processors; count *= 2)
        {
            counts.Add(count);
        }

        counts.AddRange([processors, OversubscribedPerProcessor * processors]);
        return [.. counts.Select(count => Math.Min(count, Most)).Distinct()];
    }

    /// <summary>Reads a list like "1,2,4".</summary>
    /// <param name="text">The list.</param>
    /// <param name="counts">The numbers.</param>
    /// <param name="reason">Why it is none.</param>
    public static bool TryParse(string text, out int[] counts, out string reason)
    {
        List<int> read = [];
        counts = [];
        reason = "";
        foreach (string word in text.Split(','))
        {
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count is < 1 or > Most)
            {
                reason = $"takes numbers from 1 to {Most} with commas between, like 1,2,4, not '{text}'";
                return false;
            }

            if (read.Contains(count))
            {
                reason = $"has {count} twice in '{text}'";
                return false;
            }

            read.Add(count);
        }

        counts = [.. read.Order()];
        return true;
    }
}
