using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using CommunityToolkit.HighPerformance.Helpers;

namespace SuperSlab;

/// <summary>
/// Several workers populate one large range. Each takes the next chunk until none is left, one fails, the caller's
/// progress throws, or the caller cancels. No lock is held while progress is reported. Chunks are whole huge pages: two
/// workers never share one. Where memory nodes own addresses, workers begin on different nodes, and each runs on the
/// node whose chunks it populates.
/// </summary>
internal sealed class ParallelPopulation(
    VirtualMemory os, TryPopulate populate, PrefaultRange range, PrefaultStep step)
{
    private const nuint ChunkBytes = 16 << 20;

    private readonly Lock _lock = new();
    private readonly long _chunkCount = (long)Sizes.DivideRoundingUp(range.Bytes, ChunkBytes);

    /// <summary>For each memory node the last chunk that was looked at.</summary>
    private readonly long[] _lastChunks = [.. Enumerable.Repeat(-1L, os.NodeCount)];
    private long _doneCount;
    private volatile bool _isStopped;

    /// <summary>Whether every chunk was populated. Valid after all workers returned.</summary>
    public bool IsDone => Interlocked.Read(ref _doneCount) == _chunkCount;

    /// <summary>Why the first chunk that failed did; null when none failed.</summary>
    public PrefaultFailure? Failure { get; private set; }

    /// <summary>The first exception, mostly of the caller's progress. Valid after all workers returned.</summary>
    public ExceptionDispatchInfo? Interruption { get; private set; }

    [SuppressMessage("Design", "CA1031", Justification = "It is the caller's exception, and thrown there.")]
    private void Work(int worker)
    {
        try
        {
            for (int turn = 0; turn < _lastChunks.Length; turn++)
            {
                int node = (worker + turn) % _lastChunks.Length;
                os.RunOnNode(node, () => Populate(node));
            }
        }
        catch (Exception exception)
        {
            lock (_lock)
            {
                Interruption ??= ExceptionDispatchInfo.Capture(exception);
                _isStopped = true;
            }
        }
    }

    /// <summary>Populates the chunks of one memory node that no other worker has taken.</summary>
    private void Populate(int node)
    {
        while (!_isStopped && !range.Cancellation.IsCancellationRequested)
        {
            long chunk = Interlocked.Increment(ref _lastChunks[node]);
            if (chunk >= _chunkCount)
                return;

            nuint offset = (nuint)chunk * ChunkBytes;
            nint address = range.Address + (nint)offset;
            if (_lastChunks.Length > 1 && os.NodeOf(address) != node)
                continue;

            nuint bytes = nuint.Min(ChunkBytes, range.Bytes - offset);
            if (!populate(address, bytes, step, out PrefaultFailure failure))
            {
                Fail(failure);
                return;
            }

            long done = Interlocked.Increment(ref _doneCount);
            range.Progress?.Report((double)done / _chunkCount);
        }
    }

    private void Fail(PrefaultFailure failure)
    {
        lock (_lock)
        {
            Failure ??= failure;
            _isStopped = true;
        }
    }

    /// <summary>What each thread runs.</summary>
    public readonly struct Worker(ParallelPopulation work) : IAction
    {
        public void Invoke(int i) => work.Work(i);
    }
}

/// <summary>Puts physical pages behind a prepared range, or says why not.</summary>
internal delegate bool TryPopulate(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure);
