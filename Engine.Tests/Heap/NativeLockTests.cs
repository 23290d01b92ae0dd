using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Heap;

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
        Thread.Sleep(20); // long enough to sleep
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

    [Test]
    public void Threads_that_sleep_are_woken_one_by_one_however_many_there_are()
    {
        const int Sleepers = 12;
        int word = 0;
        int* address = &word;
        NativeLock.Enter(address);
        int entered = 0;
        Thread[] sleepers = new Thread[Sleepers];
        for (int number = 0; number < Sleepers; number++)
        {
            sleepers[number] = new Thread(() =>
            {
                NativeLock.Enter(address);
                entered++;
                Thread.Sleep(1); // the others are asleep again when it leaves
                NativeLock.Exit(address);
            });
            sleepers[number].Start();
        }

        Thread.Sleep(50);
        Assert.That(Volatile.Read(ref entered), Is.Zero);
        NativeLock.Exit(address);
        foreach (Thread sleeper in sleepers)
            Assert.That(sleeper.Join(TimeSpan.FromSeconds(30)), Is.True, "a thread was not woken");

        Assert.That(entered, Is.EqualTo(Sleepers));
        Assert.That(word, Is.Zero);
    }

    [Category(Os.Machine.NeedsRealKernel)]
    [Test]
    public void A_thread_that_waits_takes_no_processor_time()
    {
        Assume.That(OperatingSystem.IsLinux(), "reads /proc/self/task");
        int word = 0;
        int* address = &word;
        NativeLock.Enter(address);
        int id = 0;
        Thread waiter = new(() =>
        {
            Volatile.Write(ref id, LinuxThread.Current(new SystemLibraries()).Id);
            NativeLock.Enter(address);
            NativeLock.Exit(address);
        });
        waiter.Start();
        Assert.That(() => Volatile.Read(ref id), Is.Not.Zero.After(30_000, 1));
        Assert.That(() => SwitchesOf(id), Is.EqualTo(SwitchesOf(id)).After(200), "it sleeps");
        long before = TicksOf(id);
        Thread.Sleep(300);
        long ticks = TicksOf(id) - before;
        NativeLock.Exit(address);
        Assert.That(waiter.Join(TimeSpan.FromSeconds(30)), Is.True);
        Assert.That(ticks, Is.Zero, "ticks of 10 ms while it waited for 300 ms");

        static long TicksOf(int id)
        {
            string[] fields = File.ReadAllText($"/proc/self/task/{id}/stat").Split(") ")[1].Split(' ');
            return long.Parse(fields[11], System.Globalization.CultureInfo.InvariantCulture)
                + long.Parse(fields[12], System.Globalization.CultureInfo.InvariantCulture);
        }

        static string SwitchesOf(int id) => File.ReadLines($"/proc/self/task/{id}/status").First(line =>
            line.StartsWith("voluntary", StringComparison.Ordinal));
    }

    /// <summary>On one core, a waiter that only yields to its equals keeps the holder from running for ever.</summary>
    [Category(Os.Machine.NeedsRealKernel)]
    [Test]
    public void A_real_time_thread_gets_a_lock_that_a_thread_below_it_holds()
    {
        Assume.That(OperatingSystem.IsLinux(), "the scheduler is Linux's");
        const int Rounds = 2_000;
        int word = 0;
        int* address = &word;
        bool isRealTime = false;
        bool isDone = false;
        long counted = 0;
        long slept = 0;
        int rounds = 0;
        Thread below = new(() =>
        {
            using OneCore core = new();
            while (!Volatile.Read(ref isDone))
            {
                NativeLock.Enter(address);
                counted++;
                Thread.SpinWait(2_000); // long enough to be preempted in it
                NativeLock.Exit(address);
            }
        });
        Thread above = new(() =>
        {
            using OneCore core = new();
            const int Fifo = 1;
            int priority = 50;
            isRealTime = sched_setscheduler(0, Fifo, &priority) == 0;
            long before = VoluntarySwitches();
            for (; isRealTime && rounds < Rounds; rounds++)
            {
                NativeLock.Enter(address);
                counted++;
                NativeLock.Exit(address);
                if (rounds % 10 == 0)
                    Thread.Sleep(1); // the other thread takes the lock, and is interrupted in it
            }

            slept = VoluntarySwitches() - before;
            Volatile.Write(ref isDone, true);
        });
        below.Start();
        above.Start();
        above.Join();
        below.Join();
        Assume.That(isRealTime, "real-time priority takes a privilege");
        Assert.That(rounds, Is.EqualTo(Rounds));
        Assert.That(counted, Is.GreaterThan(Rounds));
        Assert.That(slept, Is.GreaterThan(Rounds / 10), "besides its own sleeps it slept for the lock");
        Assert.That(word, Is.Zero);

        static long VoluntarySwitches() => long.Parse(
            File.ReadLines("/proc/thread-self/status").First(line =>
                line.StartsWith("voluntary", StringComparison.Ordinal)).Split('\t')[1],
            System.Globalization.CultureInfo.InvariantCulture);
    }

    [DllImport("libc")]
    private static extern int sched_setscheduler(int thread, int policy, int* priority);
}
