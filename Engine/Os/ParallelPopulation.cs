using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using CommunityToolkit.HighPerformance.Helpers;

namespace SuperSlab;

/// <summary>
/// One large range, populated by several workers, each taking the next chunk until none is left, one failed, the caller's progress threw, or it was
/// cancelled. No lock is held while the progress is told. Chunks are whole huge pages: two workers never share one.
/// </summary>
internal sealed class ParallelPopulation(
    VirtualMemory os,
    nint address,
    nuint bytes,
    PrefaultStep step,
    IProgress<double>? progress,
    CancellationToken cancellation)
{
    private const nuint ChunkBytes = 16 << 20;

    private readonly Lock _failureLock = new();
    private readonly long _chunkCount = (long)((bytes + ChunkBytes - 1) / ChunkBytes);
    private long _nextChunk = -1;
    private long _doneCount;
    private volatile bool _isStopped;

    /// <summary>Whether every chunk was populated; to be asked after all workers have returned.</summary>
    public bool IsDone => Interlocked.Read(ref _doneCount) == _chunkCount;

    /// <summary>Whether a chunk failed, as opposed to all being done or cancelled.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Why the first chunk that failed did.</summary>
    public PrefaultFailure Failure { get; private set; }

    /// <summary>What was thrown first, by the caller's progress mostly; null when nothing was. To be asked after all workers have returned.</summary>
    public ExceptionDispatchInfo? Interruption { get; private set; }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever it is, it is the caller's, and thrown there as itself.")]
    private void Work()
    {
        try
        {
            Populate();
        }
        catch (Exception exception)
        {
            lock (_failureLock)
            {
                Interruption ??= ExceptionDispatchInfo.Capture(exception);
                _isStopped = true;
            }
        }
    }

    private void Populate()
    {
        while (!_isStopped && !cancellation.IsCancellationRequested)
        {
            long chunk = Interlocked.Increment(ref _nextChunk);
            if (chunk >= _chunkCount)
                return;

            nuint offset = (nuint)chunk * ChunkBytes;
            if (!os.TryPopulate(address + (nint)offset, nuint.Min(ChunkBytes, bytes - offset), step, out PrefaultFailure failure))
            {
                Fail(failure);
                return;
            }

            long done = Interlocked.Increment(ref _doneCount);
            progress?.Report((double)done / _chunkCount);
        }
    }

    private void Fail(PrefaultFailure failure)
    {
        lock (_failureLock)
        {
            if (!HasFailed)
            {
                Failure = failure;
                HasFailed = true;
                _isStopped = true;
            }
        }
    }

    /// <summary>What each thread runs.</summary>
    public readonly struct Worker(ParallelPopulation work) : IAction
    {
        public void Invoke(int i) => work.Work();
    }
}
