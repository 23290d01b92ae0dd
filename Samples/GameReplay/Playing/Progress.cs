using System.Runtime.CompilerServices;

namespace Samples.GameReplay.Playing;

/// <summary>
/// How far each thread has come in the step: the number of its operations done, as far as others need to know. Each count has
/// two cache lines to itself, so that publishing one disturbs nobody who waits for another.
/// </summary>
internal sealed unsafe class Progress
{
    private const int Stride = 128 / sizeof(long);
    private readonly long[] _counts;
    private readonly long* _first;
    private volatile bool _isAbandoned;

    /// <summary>Makes the counts, all 0.</summary>
    public Progress(int threads)
    {
        _counts = GC.AllocateArray<long>(threads * Stride, pinned: true);
        _counts.AsSpan().Clear();
        _first = (long*)Unsafe.AsPointer(ref _counts[0]);
    }

    /// <summary>Begins a step. No thread may be playing.</summary>
    public void Reset() => _counts.AsSpan().Clear();

    /// <summary>Ends all waits, because a thread failed and will not come further.</summary>
    public void Abandon() => _isAbandoned = true;

    /// <summary>Makes known that the thread has done so many operations, and whatever it wrote before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Publish(int thread, long done) => Volatile.Write(ref _first[thread * Stride], done);

    /// <summary>Whether the thread has done so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool HasReached(int thread, long done) => Volatile.Read(ref _first[thread * Stride]) >= done;

    /// <summary>
    /// Waits until the thread has done so many: spins a little, then gives the processor away again and again, because there
    /// may be more threads than processors, and never sleeps, because a sleep is longer than most frames.
    /// </summary>
    /// <exception cref="OperationCanceledException">Another thread failed.</exception>
    public void WaitFor(int thread, long done)
    {
        var spin = default(SpinWait);
        while (!HasReached(thread, done))
        {
            if (_isAbandoned)
            {
                throw new OperationCanceledException();
            }

            spin.SpinOnce(sleep1Threshold: -1);
        }
    }
}
