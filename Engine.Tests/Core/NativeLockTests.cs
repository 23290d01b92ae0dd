using Engine.Core;
using Engine.Tests.Support;

namespace Engine.Tests.Core;

internal sealed unsafe class NativeLockTests
{
    [Test]
    public void One_thread_at_a_time_is_inside()
    {
        const int Threads = 4;
        const int Rounds = 20_000;
        int word = 0;
        long unguarded = 0;
        int inside = 0;
        bool wasShared = false;
        int* address = &word;
        Workers.Run(Threads, _ =>
        {
            for (int round = 0; round < Rounds; round++)
            {
                NativeLock.Enter(address);
                wasShared |= Interlocked.Increment(ref inside) != 1;
                unguarded++;
                Interlocked.Decrement(ref inside);
                NativeLock.Exit(address);
            }
        });

        Assert.That(wasShared, Is.False);
        Assert.That(unguarded, Is.EqualTo((long)Threads * Rounds));
        Assert.That(word, Is.Zero);
    }

    [Test]
    public void A_thread_that_waits_goes_on_when_the_holder_leaves()
    {
        int word = 0;
        int* address = &word;
        NativeLock.Enter(address);
        using ManualResetEventSlim started = new();
        bool entered = false;
        Thread waiter = new(() =>
        {
            started.Set();
            NativeLock.Enter(address);
            Volatile.Write(ref entered, true);
            NativeLock.Exit(address);
        });
        waiter.Start();
        started.Wait();
        Thread.Sleep(20); // long enough to reach the yielding and sleeping part
        Assert.That(Volatile.Read(ref entered), Is.False);
        NativeLock.Exit(address);
        Assert.That(waiter.Join(TimeSpan.FromSeconds(30)), Is.True);
        Assert.That(entered, Is.True);
    }

    [Test]
    public void Entering_and_leaving_makes_no_garbage()
    {
        int word = 0;
        NativeLock.Enter(&word);
        NativeLock.Exit(&word);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
        {
            NativeLock.Enter(&word);
            NativeLock.Exit(&word);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
