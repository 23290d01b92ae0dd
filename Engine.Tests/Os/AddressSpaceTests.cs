using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>Under a limit of address space the automatic reservation leaves the runtime most of what is left.</summary>
[Platform("Linux")]
[NonParallelizable]
internal sealed class AddressSpaceTests
{
    [TestCase(1, 128)]
    [TestCase(3, 512)]
    [TestCase(6, 1024)]
    [Category(Machine.NeedsRealKernel)]
    public void An_automatic_reservation_leaves_threads_their_stacks(int leftGiB, int takenMiB)
    {
        const int Threads = 16;
        const int StackBytes = 32 << 20;
        using SystemLimit limit = SystemLimit.LeavesAddressSpace(Size.GiB(leftGiB) + Size.MiB(64));
        using EngineMemory memory = new();
        Assert.That(
            memory.ReservationBytes, Is.AnyOf(Size.MiB(takenMiB), Size.MiB(takenMiB / 2)),
            "a quarter of what is left beyond 512 MiB; half of it where others took address space meanwhile");
        memory.CreateLongLivedArena("world").AllocateSpan<byte>(3 << 20).Fill(1);

        using Barrier together = new(Threads);
        Thread[] threads = new Thread[Threads];
        for (int number = 0; number < Threads; number++)
        {
            threads[number] = new Thread(() => together.SignalAndWait(), StackBytes);
            Assert.That(threads[number].Start, Throws.Nothing);
        }

        foreach (Thread thread in threads)
            thread.Join();
    }

    [Test]
    public void Where_the_system_does_not_tell_its_limit_three_quarters_of_what_fits_are_left()
    {
        using FailingContext context = new();
        context.LimitMaps(Size.GiB(2) + Size.MiB(100));
        using EngineMemory memory = new(new EngineMemoryOptions { NativeContext = context });
        Assert.That(memory.ReservationBytes, Is.EqualTo(Size.MiB(512)));
    }

    [Test]
    public void The_least_reservation_is_taken_of_however_little_there_is()
    {
        using FailingContext context = new();
        context.LimitMaps(Size.MiB(100));
        using EngineMemory memory = new(new EngineMemoryOptions { NativeContext = context });
        Assert.That(memory.ReservationBytes, Is.EqualTo(Size.MiB(64)));
    }
}
