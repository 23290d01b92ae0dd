using System.Numerics;

namespace Engine.Profiling;

/// <summary>
/// Counts times in buckets whose width is a 32nd of their value, so that percentiles of any number of frames are known to 3 % in fixed
/// memory: the log-linear buckets of HdrHistogram (G. Tene). One thread writes; it is read between frames. Times in nanoseconds, from 0.
/// </summary>
internal sealed class TimeHistogram : IDisposable
{
    private const int StepBits = 5;
    private const int Steps = 1 << StepBits;

    private readonly NativeArray<long> _counts = new((64 - StepBits) * Steps);
    private long _count;

    public long Maximum { get; private set; }

    public void Add(long nanoseconds)
    {
        _counts[BucketOf(nanoseconds)]++;
        _count++;
        Maximum = Math.Max(Maximum, nanoseconds);
    }

    public void Clear()
    {
        _counts.Span.Clear();
        _count = 0;
        Maximum = 0;
    }

    /// <summary>The least time that at least <paramref name="percent"/> per cent do not exceed, at most 3 % too high; 0 of none.</summary>
    public long Percentile(double percent)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(_count * percent / 100));
        long below = 0;
        for (int bucket = 0; bucket < _counts.Length && _count != 0; bucket++)
        {
            below += _counts[bucket];
            if (below >= wanted)
            {
                return Math.Min(FromOf(bucket + 1) - 1, Maximum);
            }
        }

        return 0;
    }

    /// <summary>The buckets that are not empty.</summary>
    public IReadOnlyList<ProfileBucket> Buckets()
    {
        List<ProfileBucket> buckets = [];
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            if (_counts[bucket] != 0)
            {
                buckets.Add(new ProfileBucket(FromOf(bucket), _counts[bucket]));
            }
        }

        return buckets;
    }

    public void Dispose() => _counts.Dispose();

    private static int BucketOf(long nanoseconds)
    {
        if (nanoseconds < Steps)
        {
            return (int)Math.Max(0, nanoseconds);
        }

        int shift = BitOperations.Log2((ulong)nanoseconds) - StepBits;
        return ((shift + 1) * Steps) + (int)((nanoseconds >> shift) & (Steps - 1));
    }

    private static long FromOf(int bucket)
    {
        int shift = (bucket / Steps) - 1;
        return shift < 0 ? bucket : (long)(Steps + (bucket % Steps)) << shift;
    }
}
