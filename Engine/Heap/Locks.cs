using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>A lock in one <see cref="int"/> of native memory: 0 free, 1 taken, 2 perhaps waited for.</summary>
/// <remarks>
/// It guards slow paths of well under a microsecond, so a thread that finds it taken spins for some microseconds. After
/// that the holder has lost its processor: the thread sleeps, so that the holder can run whatever its priority, until
/// the holder wakes it. Not re-entrant; allocates nothing. (U. Drepper, "Futexes Are Tricky", mutex2.) Ordering: taking
/// it is an acquire, leaving it a release, on every CPU that .NET runs on.
/// </remarks>
internal static unsafe class NativeLock
{
    private const int SpinsBeforeSleep = 40;
    private static readonly int s_spins = Environment.ProcessorCount == 1 ? 0 : SpinsBeforeSleep;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Enter(int* word)
    {
        if (Interlocked.CompareExchange(ref *word, 1, 0) != 0)
            EnterContended(word);
    }

    /// <summary>Takes the lock if it is free.</summary>
    public static bool TryEnter(int* word) =>
        Volatile.Read(ref *word) == 0 && Interlocked.CompareExchange(ref *word, 1, 0) == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Exit(int* word)
    {
        if (Interlocked.Exchange(ref *word, 0) == 2)
            AddressWait.WakeOne(word);
    }

    /// <summary>Runs the code that waits and wakes, so that no contention in a hot loop compiles it.</summary>
    public static void Rehearse()
    {
        int word = 0;
        EnterContended(&word);
        word = 0;
        AddressWait.Wait(&word, 2); // The word is not 2, so it returns at once.
        word = 2;
        Exit(&word);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EnterContended(int* word)
    {
        for (int attempt = 0; attempt < s_spins; attempt++)
        {
            if (TryEnter(word))
                return;

            Thread.SpinWait(8);
        }

        // A thread that may have slept takes the lock as 2, so that its exit wakes the next sleeper.
        while (Interlocked.Exchange(ref *word, 2) != 0)
            AddressWait.Wait(word, 2);
    }
}

/// <summary>
/// A <see cref="NativeLock"/> of an object. A monitor and a <see cref="Lock"/> allocate when a thread first waits for
/// them, which may be in a frame.
/// </summary>
internal sealed unsafe class WordLock
{
    private readonly int[] _words = GC.AllocateArray<int>(1, pinned: true);
    private readonly int* _word;

    public WordLock() => _word = (int*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_words));

    /// <summary>Takes the lock until the result is disposed.</summary>
    public Scope Hold()
    {
        NativeLock.Enter(_word);
        return new Scope(_word);
    }

    internal readonly ref struct Scope(int* word)
    {
        public void Dispose() => NativeLock.Exit(word);
    }
}

/// <summary>
/// A number that threads wait for to change. Nothing allocates after construction, as a monitor does at its first wait.
/// What a waiting thread's caches hold can be taken back. Any thread, outside of slow paths.
/// </summary>
internal sealed unsafe class WaitNumber
{
    private const int LineInts = 32; // two cache lines, which processors fetch together

    // Where nothing moves it, on lines of its own.
    private readonly int[] _lines = GC.AllocateArray<int>(3 * LineInts, pinned: true);
    private readonly int* _value;
    private int _sleeping;

    public WaitNumber() => _value = (int*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_lines)) + LineInts;

    public int Value => Volatile.Read(ref *_value);

    /// <summary>Changes it, and wakes all who wait. They see all that was written before.</summary>
    public void Advance()
    {
        Interlocked.Increment(ref *_value);
        if (Volatile.Read(ref _sleeping) != 0)
            AddressWait.WakeAll(_value);
    }

    /// <summary>Sleeps while it has a value.</summary>
    public void WaitWhile(int value)
    {
        int slot = ThreadSlots.Current;
        Debug.Assert(slot == 0 || *ThreadSlots.DepthOf(slot) == 0, "A slow path has blocks in its hands.");
        ThreadSlots.SetWaiting(slot, true);
        Interlocked.Increment(ref _sleeping);
        while (Value == value)
            AddressWait.Wait(_value, value);

        Interlocked.Decrement(ref _sleeping);
        ThreadSlots.SetWaiting(slot, false);
    }
}

/// <summary>
/// Counts the work inside something that can be closed: a memory, an arena. Closing refuses work that has not begun,
/// cancels what can be cancelled, and waits for the rest. Work that would close what it runs in, by a callback, gets an
/// exception: it would wait for itself. Any thread.
/// </summary>
/// <remarks>
/// Work that may call the user's code marks its thread, which costs an object; other work costs one interlocked
/// operation on entering and one on leaving.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "The source has no timer and no wait handle to dispose.")]
internal sealed class WorkGate
{
    private const int Closed = int.MinValue;

    /// <summary>The calling thread's marked work, the innermost first.</summary>
    [ThreadStatic]
    private static Mark? s_marks;

    private readonly CancellationTokenSource _closing = new();
    private readonly object _left = new();
    private int _state;
    private volatile int _closer;

    /// <summary>Cancelled when the gate closes.</summary>
    public CancellationToken Closing => _closing.Token;

    public bool IsClosed => Volatile.Read(ref _state) < 0;

    /// <summary>Begins work, which ends when the entry is disposed, on the same thread.</summary>
    /// <param name="owner">The object that the exception names.</param>
    /// <param name="marks">Whether the work may call the user's code.</param>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    public Entry Enter(object owner, bool marks = true)
    {
        bool entered = TryEnter(out Entry entry, marks);
        Disposed.ThrowIf(!entered, owner);
        return entry;
    }

    /// <summary>Begins work; false where the gate is closed, except inside other work and to its closer.</summary>
    public bool TryEnter(out Entry entry, bool marks = true)
    {
        int state = Volatile.Read(ref _state);
        while (state >= 0 || IsInside())
        {
            int before = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (before == state)
            {
                entry = new Entry(this, marks);
                return true;
            }

            state = before;
        }

        entry = default;
        return false;
    }

    /// <exception cref="InvalidOperationException">The calling thread is inside the gate.</exception>
    public void ThrowIfInside(string what)
    {
        if (IsInside())
        {
            throw new InvalidOperationException(
                $"{what} cannot be disposed by what it has called itself (a callback of its load, prewarm or dispose), "
                + "which it would wait for. Nothing has changed.");
        }
    }

    /// <summary>Refuses new work and waits for the rest. Not from inside. Repeatable, one thread at a time.</summary>
    public void Close()
    {
        Interlocked.Or(ref _state, Closed);
        _closer = Environment.CurrentManagedThreadId;
        _closing.Cancel();
        lock (_left)
        {
            while (Volatile.Read(ref _state) != Closed)
                Monitor.Wait(_left);
        }
    }

    /// <summary>Ends the closing thread's right to enter.</summary>
    public void EndClose() => _closer = 0;

    /// <summary>Progress whose reports, on any thread, count as inside the gate.</summary>
    public IProgress<double>? Mind(IProgress<double>? progress) =>
        progress is null ? null : new MindedProgress(this, progress);

    /// <summary>Whether work was cancelled because the gate closed, and not by the user.</summary>
    public bool HasCancelled(CancellationToken users) => IsClosed && !users.IsCancellationRequested;

    private bool IsInside()
    {
        for (Mark? mark = s_marks; mark is not null; mark = mark.Outer)
        {
            if (mark.Gate == this)
                return true;
        }

        return _closer == Environment.CurrentManagedThreadId;
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _state) == Closed)
        {
            lock (_left)
                Monitor.PulseAll(_left);
        }
    }

    /// <summary>Work that has begun.</summary>
    internal readonly struct Entry : IDisposable
    {
        private readonly WorkGate? _gate;
        private readonly bool _marks;

        public Entry(WorkGate gate, bool marks)
        {
            _gate = gate;
            _marks = marks;
            if (marks)
                s_marks = new Mark(gate, s_marks);
        }

        public void Dispose()
        {
            if (_marks)
                s_marks = s_marks!.Outer;

            _gate?.Leave();
        }
    }

    private sealed class Mark(WorkGate gate, Mark? outer)
    {
        public WorkGate Gate => gate;

        public Mark? Outer => outer;
    }

    private sealed class MindedProgress(WorkGate gate, IProgress<double> progress) : IProgress<double>
    {
        public void Report(double value)
        {
            Mark? outer = s_marks;
            s_marks = new Mark(gate, outer);
            try
            {
                progress.Report(value);
            }
            finally
            {
                s_marks = outer;
            }
        }
    }
}
