using Engine.Tests.Support;

namespace Engine.Tests.Heap;

internal sealed class ThreadSlotsTests
{
    [Test]
    public void A_thread_keeps_its_slot()
    {
        Workers.Run(() =>
        {
            Assert.That(ThreadSlots.Current, Is.Zero, "a new thread has none");
            int slot = ThreadSlots.Take();
            Assert.That(slot, Is.InRange(1, ThreadSlots.End - 1));
            Assert.That(ThreadSlots.Take(), Is.EqualTo(slot));
            Assert.That(ThreadSlots.Current, Is.EqualTo(slot));
            Assert.That((int)ThreadSlots.InTable, Is.EqualTo(slot < ThreadSlots.TableCount ? slot : 0));
            Assert.That(ThreadSlots.TryBorrow(slot), Is.Null);
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
    public void Dead_threads_slots_go_to_new_threads()
    {
        int before = ThreadSlots.End;
        for (int thread = 0; thread < 500; thread++)
            Workers.Run(() => ThreadSlots.Take());

        // Each asks eight threads, so a new slot is taken now and then while most of the old ones' threads live.
        Assert.That(ThreadSlots.End - before, Is.LessThan(32 + (before / 4)), $"new slots beside {before} others");
    }

    [Test]
    public void A_borrowed_slot_is_adopted_by_nobody_until_it_is_given_back()
    {
        int first = 0;
        int second = 0;
        Workers.Run(() => first = ThreadSlots.Take());
        Thread? dead = ThreadSlots.TryBorrow(first);
        Assert.That(dead, Is.Not.Null);
        Assert.That(ThreadSlots.TryBorrow(first), Is.Null, "it is lent already");
        Workers.Run(() => second = ThreadSlots.Take());
        Assert.That(second, Is.Not.EqualTo(first));
        ThreadSlots.GiveBack(first, dead!);
        Assert.That(ThreadSlots.OwnerOf(first), Is.SameAs(dead));
    }

    [Test]
    [Category("Large")]
    [Category(Engine.Tests.Os.Machine.NeedsRealKernel)]
    [Category(Lane.Slow)]
    public void More_living_threads_than_a_table_has_places_have_caches_all_the_same()
    {
        using ManualResetEventSlim end = new();
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using var arena = memory.CreateLongLivedArena("crowd");
        LiveRange[] blocks = new LiveRange[ThreadSlots.TableCount + 50];
        int aboveTables = 0;
        HashSet<nint> caches = [];
        Exception? failure = null;
        List<Thread> threads = [];
        for (int index = 0; index < blocks.Length; index++)
        {
            int own = index;
            using ManualResetEventSlim taken = new();
            Thread thread = new(
                () =>
                {
                    try
                    {
                        blocks[own] = new LiveRange(arena, 64 + (nuint)own, (byte)own);
                        new LiveRange(arena, 100_000, 1).Free(arena);
                        aboveTables += ThreadSlots.Current >= ThreadSlots.TableCount && ThreadSlots.InTable == 0 ? 1
                            : 0;
                        caches.Add(CacheOf(arena));
                        new LiveRange(arena, 200_000, 2).Free(arena);
                    }
                    catch (Exception exception)
                    {
                        failure = exception;
                    }

                    taken.Set();
                    end.Wait();

                    // Each frees another's: those without a place in the tables those of threads that have one.
                    try
                    {
                        blocks[blocks.Length - 1 - own].Free(arena);
                    }
                    catch (Exception exception)
                    {
                        failure = exception;
                    }
                },
                maxStackSize: 128 * 1024);
            thread.Start();
            threads.Add(thread);
            taken.Wait();
        }

        end.Set();
        threads.ForEach(thread => thread.Join());
        Assert.That(failure, Is.Null);
        Assert.That(aboveTables, Is.GreaterThanOrEqualTo(50));
        Assert.That(
            caches, Has.Count.EqualTo(blocks.Length).And.None.EqualTo((nint)0), "each thread has a cache of its own");
        Assert.That(arena.LiveBlocks(), Is.Empty);
        memory.Validate();
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero);
    }

    private static unsafe nint CacheOf(LongLivedArena arena) =>
        arena.Caches.CacheOf(ThreadSlots.Current) is var cache && cache == ThreadCache.Detached ? 0 : (nint)cache;

    /// <summary>A block with its contents, checked when it is freed.</summary>
    private readonly unsafe struct LiveRange
    {
        private readonly nint _address;
        private readonly int _bytes;
        private readonly byte _content;

        public LiveRange(LongLivedArena arena, nuint bytes, byte content)
        {
            _address = (nint)arena.Allocate(bytes);
            _bytes = (int)bytes;
            _content = content;
            new Span<byte>((void*)_address, _bytes).Fill(content);
        }

        public void Free(LongLivedArena arena)
        {
            if (new Span<byte>((void*)_address, _bytes).IndexOfAnyExcept(_content) >= 0)
                throw new InvalidOperationException($"the block at 0x{_address:x} was overwritten");

            arena.Free((void*)_address);
        }
    }
}
