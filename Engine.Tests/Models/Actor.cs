using System.Runtime.ExceptionServices;

namespace Engine.Tests.Models;

/// <summary>A thread that does one thing at a time while the test waits. It may end; the next thing is then done by a
/// new one.</summary>
internal sealed class Actor : IDisposable
{
    private readonly SemaphoreSlim _asked = new(0);
    private readonly SemaphoreSlim _done = new(0);
    private Thread? _thread;
    private Action? _work;
    private Exception? _failure;

    /// <summary>Does it on the actor's thread; what it throws is thrown here.</summary>
    public void Do(Action work)
    {
        if (_thread is null)
        {
            _thread = new Thread(Live) { IsBackground = true };
            _thread.Start();
        }

        _work = work;
        _asked.Release();
        _done.Wait();
        if (_work is null)
        {
            _thread.Join();
            _thread = null;
        }

        if (_failure is not null)
            ExceptionDispatchInfo.Throw(_failure);
    }

    /// <summary>Returns when the thread waits for something to do, if there is one.</summary>
    public void AwaitIdle()
    {
        if (_thread is { } thread)
            SpinWait.SpinUntil(() => (thread.ThreadState & ThreadState.WaitSleepJoin) != 0);
    }

    /// <summary>From within <see cref="Do"/>: the thread ends when that is done.</summary>
    public void EndThread() => _work = null;

    public void Dispose()
    {
        if (_thread is not null && _failure is null)
            Do(EndThread);

        _asked.Dispose();
        _done.Dispose();
    }

    private void Live()
    {
        while (_work is not null || _failure is null)
        {
            _asked.Wait();
            try
            {
                _work!();
            }
            catch (Exception failure)
            {
                _failure = failure;
                _work = null;
            }

            bool ends = _work is null;
            _done.Release();
            if (ends)
                return;
        }
    }
}
