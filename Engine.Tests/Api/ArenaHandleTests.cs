using System.Reflection;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed unsafe class ArenaHandleTests : ArenaFixture
{
    [Test]
    public void A_handle_and_its_arena_share_one_cache()
    {
        void* block = Arena.Allocate(100);
        Arena.GetHandle().Free(block);
        Assert.That((nint)Arena.Allocate(100), Is.EqualTo((nint)block));
        Arena.Free(block);
        Assert.That((nint)Arena.GetHandle().Allocate(100), Is.EqualTo((nint)block));
    }

    [Test]
    public void All_methods_of_a_handle_do_what_the_arenas_do()
    {
        ShadowModel model = new();
        ArenaHandle handle = Arena.GetHandle();
        model.Add(handle.Allocate(100), 100);
        model.Add(handle.Allocate(100, 1024), 100, 1024);
        model.Add(handle.AllocateZeroed(5_000), 5_000);
        model.Add(handle.Allocate<double>(), 8);
        model.Add(handle.Allocate<double>(1_000), 8_000);
        fixed (int* span = handle.AllocateSpan<int>(300))
            model.Add(span, 1_200);

        fixed (int* grid = &handle.AllocateSpan2D<int>(10, 20).DangerousGetReference())
            model.Add(grid, 800);

        void* block = handle.Allocate(60);
        model.Add(block, 60);
        model.Moved(block, handle.Reallocate(block, 6_000), 6_000);
        model.CheckAll();
        model.Drain(address => Arena.GetHandle().Free((void*)address));
    }

    [Test]
    public void A_span_is_freed_by_its_beginning()
    {
        ArenaHandle handle = Arena.GetHandle();
        Span<long> span = handle.AllocateSpan<long>(50);
        fixed (long* start = span)
        {
            handle.Free(span);
            Assert.That((nint)handle.Allocate<long>(50), Is.EqualTo((nint)start));
        }
    }

    [Test]
    public void Threads_have_handles_of_their_own()
    {
        // A handle is a ref struct: the language keeps it on its thread's stack. What can be seen is that caches are
        // apart.
        nint[] blocks = new nint[3];
        using Barrier barrier = new(3);
        Workers.Run(3, thread =>
        {
            ArenaHandle handle = Arena.GetHandle();
            for (int round = 0; round < 10_000; round++)
            {
                long* block = handle.Allocate<long>();
                *block = thread;
                blocks[thread] = (nint)block;
                if (*block != thread)
                    Assert.Fail("two threads have the same block");

                handle.Free(block);
            }

            barrier.SignalAndWait();
        });
        Assert.That(blocks, Is.Unique);
    }

    [Test]
    public void A_handle_that_another_thread_uses_is_found_out_on_a_slow_path()
    {
        // Smuggled past the language, as unsafe code could: the slow path asks whose cache it is.
        Workers.Run(() =>
        {
            nint cache = (nint)CacheOf(Arena);
            Workers.Run(() =>
            {
                Arena.AttachThread();
                Assert.That(
                    () => new ArenaHandle(Arena, (ThreadCache*)cache).Allocate(123),
                    Throws.TypeOf<EngineMemoryException>().With.Message.Contains("another thread"));
                Assert.That(() =>
                    new ArenaHandle(Arena, (ThreadCache*)cache).Free((void*)16),
                    Throws.TypeOf<EngineMemoryException>());
            });
        });

        static ThreadCache* CacheOf(LongLivedArena arena)
        {
            arena.AttachThread();
            FieldInfo table =
                typeof(LongLivedArena).GetField("_table", BindingFlags.NonPublic | BindingFlags.Instance)!;
            return ((ThreadCache**)Pointer.Unbox(table.GetValue(arena)!))[ThreadSlots.Current];
        }
    }

    [Test]
    public void A_handle_that_outlives_its_arena_says_so()
    {
        using LongLivedArena arena = Memory.CreateLongLivedArena("gone");
        void* block = arena.Allocate(64);
        ArenaHandle handle = arena.GetHandle();
        handle.Free(handle.Allocate(64));
        arena.Dispose();
        Exception?[] thrown = new Exception?[5];
        try
        {
            handle.Allocate(64);
        }
        catch (ObjectDisposedException exception)
        {
            thrown[0] = exception;
        }

        try
        {
            handle.Free(block);
        }
        catch (ObjectDisposedException exception)
        {
            thrown[1] = exception;
        }

        try
        {
            handle.Reallocate(block, 1000);
        }
        catch (ObjectDisposedException exception)
        {
            thrown[2] = exception;
        }

        try
        {
            handle.Allocate<Guid>();
        }
        catch (ObjectDisposedException exception)
        {
            thrown[3] = exception;
        }

        try
        {
            handle.Allocate(1 << 20, 4096);
        }
        catch (ObjectDisposedException exception)
        {
            thrown[4] = exception;
        }

        Assert.That(thrown, Has.None.Null);
    }

    [Test]
    public void The_fast_path_makes_no_garbage()
    {
        ArenaHandle handle = Arena.GetHandle();
        handle.Free(handle.Allocate(100));
        Arena.Free(Arena.Allocate(SizeClasses.BlockBytes(50)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 1_000; round++)
        {
            handle.Free(handle.Allocate(100));
            Arena.Free(Arena.Allocate(100));
            Arena.Free(Arena.Allocate(SizeClasses.BlockBytes(50)));
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
