namespace Engine.Tests.Scenes;

/// <summary>What the library leaves behind where the system refuses one of several threads.</summary>
internal static class RefusedThreads
{
    /// <summary>Every thread that was started has ended when the constructor throws.</summary>
    /// <param name="refused">Which thread is refused, counted from 1; 0 refuses none.</param>
    /// <param name="construct">Makes what starts threads, and must throw.</param>
    public static void MustLeaveNone<TException>(int refused, Func<IDisposable> construct)
        where TException : Exception
    {
        List<Thread> threads = [];
        StartedThreads.Starting = thread =>
        {
            if (threads.Count + 1 == refused)
                throw new InsufficientMemoryException("the system's limit of threads");

            threads.Add(thread);
        };
        try
        {
            Assert.That(() => construct(), Throws.InstanceOf<TException>());
        }
        finally
        {
            StartedThreads.Starting = null;
        }

        Assert.That(threads, Is.Not.Empty);
        Assert.That(threads.Select(static thread => thread.IsAlive), Is.All.False);
    }
}
