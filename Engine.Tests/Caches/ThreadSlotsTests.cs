using Engine.Caches;
using Engine.Core;
using Engine.Tests.Support;

namespace Engine.Tests.Caches;

internal sealed class ThreadSlotsTests
{
    [Test]
    public void A_thread_keeps_its_slot()
    {
        Workers.Run(() =>
        {
            Assert.That(ThreadSlots.Current, Is.EqualTo((nint)0), "a new thread has none");
            int slot = ThreadSlots.Take();
            Assert.That(slot, Is.InRange(1, ThreadSlots.Count - 1));
            Assert.That(ThreadSlots.Take(), Is.EqualTo(slot));
            Assert.That(ThreadSlots.Current, Is.EqualTo((nint)slot));
            Assert.That(ThreadSlots.IsAbandoned(slot), Is.False);
        });
    }

    [Test]
    public void Living_threads_have_different_slots()
    {
        int[] slots = new int[8];
        using Barrier barrier = new(slots.Length);
        Workers.Run(slots.Length, thread =>
        {
            slots[thread] = ThreadSlots.Take();
            barrier.SignalAndWait();
        });
        Assert.That(slots, Is.Unique);
    }

    [Test]
    public void A_dead_threads_slot_goes_to_the_next_that_needs_one()
    {
        int first = 0;
        int second = 0;
        Workers.Run(() => first = ThreadSlots.Take());
        Assert.That(ThreadSlots.IsAbandoned(first), Is.True);
        Workers.Run(() => second = ThreadSlots.Take());
        Assert.That(second, Is.LessThanOrEqualTo(first), "the lowest free slot");
    }

    [Test]
    [Category("Large")]
    [Category(Engine.Tests.Platform.Machine.NeedsRealKernel)]
    public void More_living_threads_than_slots_get_a_clear_error_and_room_when_others_end()
    {
        using ManualResetEventSlim end = new();
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using var arena = memory.CreateLongLivedArena("crowd");
        EngineMemoryException? refused = null;
        List<Thread> threads = [];
        for (int index = 0; index < ThreadSlots.Count && refused is null; index++)
        {
            using ManualResetEventSlim taken = new();
            Thread thread = new(
                () =>
                {
                    try
                    {
                        arena.AttachThread();
                    }
                    catch (EngineMemoryException exception)
                    {
                        refused = exception;
                    }

                    taken.Set();
                    end.Wait();
                },
                maxStackSize: 128 * 1024);
            thread.Start();
            threads.Add(thread);
            taken.Wait();
        }

        end.Set();
        threads.ForEach(thread => thread.Join());
        Assert.That(refused, Is.Not.Null.And.Message.Contains("living threads"));
        Assert.That(() => Workers.Run(arena.AttachThread), Throws.Nothing);
        arena.Validate();
    }
}
