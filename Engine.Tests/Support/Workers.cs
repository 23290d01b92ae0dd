using System.Runtime.ExceptionServices;

namespace Engine.Tests.Support;

/// <summary>Threads of a test. What one of them throws is thrown in the test.</summary>
internal static class Workers
{
    /// <summary>Runs one thread to its end.</summary>
    public static void Run(Action work) => Run(1, _ => work());

    /// <summary>Runs <paramref name="count"/> threads at the same time, numbered from 0, to their ends.</summary>
    public static void Run(int count, Action<int> work)
    {
        Exception? failure = null;
        Thread[] threads = new Thread[count];
        for (int index = 0; index < count; index++)
        {
            int number = index;
            threads[index] = new Thread(() =>
            {
                try
                {
                    work(number);
                }
                catch (Exception exception)
                {
                    Interlocked.CompareExchange(ref failure, exception, null);
                }
            });
            threads[index].Start();
        }

        foreach (Thread thread in threads)
            thread.Join();

        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
    }
}
