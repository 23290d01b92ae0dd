// What single calls and threads take from the system.
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>
/// How long one thread's single calls took: 64 buckets for each power of two of nanoseconds, so that a percentile is at
/// most 1.6 % too large, and the longest exactly. Whether a thread lost its processor is asked after long calls only,
/// so a switch between two calls is laid on the next long one.
/// </summary>
internal sealed class CallTimes
{
    private const int SubBuckets = 64;
    private const int SubBucketBits = 6;
    private const int Powers = 40;
    private const long SlowNanoseconds = 20_000;
    private const long NanosecondsPerSecond = 1_000_000_000;
    private readonly long[] _buckets = new long[SubBuckets * Powers];
    private long _switches = ThreadUsage.OfThisThread().InvoluntarySwitches;

    /// <summary>The longest, in nanoseconds.</summary>
    public long Longest { get; private set; }

    /// <summary>The longest in which the thread did not lose its processor to another.</summary>
    public long LongestUndisturbed { get; private set; }

    /// <summary>The percentiles of all threads' calls together.</summary>
    public static CallLatency Of(IReadOnlyList<CallTimes> threads)
    {
        long longest = threads.Max(times => times.Longest);
        return new CallLatency(
            Percentile(threads, 0.5, longest),
            Percentile(threads, 0.999, longest),
            Percentile(threads, 0.9999, longest),
            longest,
            threads.Max(times => times.LongestUndisturbed));
    }

    /// <summary>Forgets the switches of before, on the thread whose calls come.</summary>
    public void BeginThread() => _switches = ThreadUsage.OfThisThread().InvoluntarySwitches;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Add(long ticks)
    {
        long nanoseconds = Stopwatch.Frequency == NanosecondsPerSecond
            ? ticks
            : (long)(ticks * ((double)NanosecondsPerSecond / Stopwatch.Frequency));
        int shift = nanoseconds < SubBuckets ? 0 : BitOperations.Log2((ulong)nanoseconds) - SubBucketBits;
        _buckets[Math.Min((shift * SubBuckets) + (int)(nanoseconds >> shift), _buckets.Length - 1)]++;
        Longest = Math.Max(Longest, nanoseconds);
        if (nanoseconds > LongestUndisturbed && !(nanoseconds >= SlowNanoseconds && LostProcessor()))
            LongestUndisturbed = nanoseconds;
    }

    private static long Percentile(IReadOnlyList<CallTimes> threads, double share, long longest)
    {
        long rank = (long)Math.Ceiling(threads.Sum(times => times._buckets.Sum()) * share);
        long seen = 0;
        for (int bucket = 0; bucket < SubBuckets * Powers; bucket++)
        {
            seen += threads.Sum(times => times._buckets[bucket]);
            if (seen >= rank)
            {
                // The last nanosecond that falls into it.
                int shift = bucket < SubBuckets ? 0 : (bucket / SubBuckets) - 1;
                return Math.Min(((bucket - (shift * SubBuckets) + 1L) << shift) - 1, longest);
            }
        }

        return longest;
    }

    private bool LostProcessor()
    {
        long switches = ThreadUsage.OfThisThread().InvoluntarySwitches;
        bool hasLost = switches != _switches;
        _switches = switches;
        return hasLost;
    }
}

/// <summary>Nanoseconds of single calls, the clock's own reading among them.</summary>
internal readonly record struct CallLatency(long P50, long P999, long P9999, long Longest, long LongestUndisturbed);

/// <summary>An allocator of which every call is timed.</summary>
internal readonly ref struct TimedAllocator<TAllocator, TBlock>(TAllocator allocator, CallTimes times)
    : IAllocator<TBlock>
    where TAllocator : struct, IAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
{
    private readonly TAllocator _allocator = allocator;
    private readonly CallTimes _times = times;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TBlock Allocate(nuint bytes, uint place)
    {
        long start = Stopwatch.GetTimestamp();
        TBlock block = _allocator.Allocate(bytes, place);
        _times.Add(Stopwatch.GetTimestamp() - start);
        return block;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(TBlock block)
    {
        long start = Stopwatch.GetTimestamp();
        _allocator.Free(block);
        _times.Add(Stopwatch.GetTimestamp() - start);
    }

    public TBlock Reallocate(TBlock block, nuint oldBytes, nuint bytes) =>
        _allocator.Reallocate(block, oldBytes, bytes);
}

/// <summary>What the system did to a thread: getrusage(2) of Linux with RUSAGE_THREAD. All 0 elsewhere.</summary>
/// <param name="VoluntarySwitches">How often it waited.</param>
/// <param name="InvoluntarySwitches">How often another thread was given its processor, which sched_yield asks for
/// too.</param>
/// <param name="MinorFaults">Pages that came when they were touched.</param>
internal readonly record struct ThreadUsage(long VoluntarySwitches, long InvoluntarySwitches, long MinorFaults)
{
    // struct rusage in words: two times of two words each, then fourteen numbers.
    private const int Words = 18;
    private const int MinorFaultsWord = 8;
    private const int VoluntaryWord = 16;
    private const int InvoluntaryWord = 17;
    private const int OfThread = 1;

    /// <summary>Whether this system tells.</summary>
    public static bool IsKnown { get; } = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>What happened to the calling thread so far.</summary>
    public static unsafe ThreadUsage OfThisThread()
    {
        if (!IsKnown)
            return default;

        long* words = stackalloc long[Words];
        return GetUsage(OfThread, words) == 0
            ? new(words[VoluntaryWord], words[InvoluntaryWord], words[MinorFaultsWord])
            : default;
    }

    public static ThreadUsage operator +(ThreadUsage left, ThreadUsage right) => new(
        left.VoluntarySwitches + right.VoluntarySwitches,
        left.InvoluntarySwitches + right.InvoluntarySwitches,
        left.MinorFaults + right.MinorFaults);

    public static ThreadUsage operator -(ThreadUsage left, ThreadUsage right) => new(
        left.VoluntarySwitches - right.VoluntarySwitches,
        left.InvoluntarySwitches - right.InvoluntarySwitches,
        left.MinorFaults - right.MinorFaults);

    [DllImport("libc", EntryPoint = "getrusage")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern unsafe int GetUsage(int who, long* usage);
}

/// <summary>
/// Counts a thread's system calls by <c>Native/system_calls.c</c>, of which the parent process made a library. Between
/// beginning and end nothing may be called for the first time, or the compiler's calls are counted.
/// </summary>
internal sealed unsafe class SystemCallCounter
{
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<int> _begin;
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<long> _end;

    /// <summary>Loads the library.</summary>
    /// <exception cref="RunFailedException">It is none.</exception>
    public SystemCallCounter(string path)
    {
        if (!NativeLibrary.TryLoad(path, out nint library)
            || !NativeLibrary.TryGetExport(library, "system_calls_begin", out nint begin)
            || !NativeLibrary.TryGetExport(library, "system_calls_end", out nint end))
        {
            throw new RunFailedException($"{path} does not count system calls");
        }

        _begin = (delegate* unmanaged[Cdecl, SuppressGCTransition]<int>)begin;
        _end = (delegate* unmanaged[Cdecl, SuppressGCTransition]<long>)end;
    }

    /// <summary>Begins to count the calling thread's.</summary>
    /// <returns>False where this system does not offer it; then there is no end.</returns>
    public bool TryBegin() => _begin() == 0;

    /// <summary>Ends it.</summary>
    /// <returns>How many there were.</returns>
    public long End() => _end();
}
