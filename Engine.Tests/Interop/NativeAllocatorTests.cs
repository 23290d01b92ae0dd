using Engine.Tests.Support;
using SuperSlab.Interop;

namespace Engine.Tests.Interop;

/// <summary>The functions of a native allocator, called as C calls them.</summary>
internal sealed unsafe class NativeAllocatorTests : ArenaFixture
{
    private readonly List<string> _told = [];

    private NativeAllocatorOptions Told => new() { OnMisuse = _told.Add };

    [Test]
    public void Each_shape_serves_blocks_that_keep_their_contents([Values] bool small, [Values] MemoryChecks checks)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        using LongLivedArena arena = memory.CreateLongLivedArena("native");
        using ArenaGroup group = memory.CreateArenaGroup("group");
        using SmallArena script = group.CreateArena("script");
        using NativeAllocator allocator = small ? script.ToNativeAllocator() : arena.ToNativeAllocator();
        PlainFunctions plain = allocator.BindPlain();
        nint user = allocator.UserData;
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int step = 0; step < 3_000; step++)
        {
            nuint bytes = random.NextSize(random.Next(30) == 0 ? 21 : 12);
            nuint alignment = (nuint)1 << random.Next(10);
            if (model.Count > 50)
            {
                void* old = model.Pick(random, out nuint before);
                switch (random.Next(6))
                {
                    case 0:
                        model.Moved(old, plain.Reallocate(old, bytes), bytes);
                        break;
                    case 1:
                        model.Moved(old, plain.ReallocateSized(old, before, bytes), bytes);
                        break;
                    case 2:
                        model.Moved(old, NativeFunctions.Resize(user, old, before, bytes), bytes);
                        break;
                    case 3:
                        void* moved = NativeFunctions.ReallocateAligned(user, old, bytes, alignment, 0);
                        Assert.That((nuint)moved % alignment, Is.EqualTo((nuint)0));
                        model.Moved(old, moved, bytes);
                        break;
                    case 4:
                        model.Remove(old);
                        plain.FreeSized(old, before);
                        break;
                    default:
                        model.Remove(old);
                        NativeFunctions.Resize(user, old, before, 0);
                        break;
                }
            }
            else
            {
                void* block = random.Next(5) switch
                {
                    0 => plain.Allocate(bytes),
                    1 => plain.AllocateZeroed(1, bytes),
                    2 => NativeFunctions.Allocate(user, bytes),
                    3 => NativeFunctions.AllocateItems(user, 1, (uint)bytes),
                    _ => NativeFunctions.AllocateAligned(user, bytes, 256, 0),
                };
                model.Add(block, bytes);
            }
        }

        model.CheckAll();
        model.Drain(block => plain.Free((void*)block));
        Assert.That((allocator.RefusalCount, allocator.MisuseCount), Is.EqualTo((0L, 0L)), $"{allocator.FirstMisuse}");
        Assert.That((arena.LiveBytes(), script.Blocks().Count), Is.EqualTo(((nuint)0, 0)));
        memory.Validate();
    }

    [Test]
    public void Too_much_is_null_counted_and_kept_with_its_stack()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator(Told);
        PlainFunctions plain = allocator.BindPlain();
        Assert.That((nint)plain.AllocateZeroed(nuint.MaxValue / 2, 3), Is.EqualTo((nint)0));
        Assert.That((nint)plain.Allocate(nuint.MaxValue), Is.EqualTo((nint)0));
        void* block = plain.Allocate(100);
        Assert.That((nint)plain.Reallocate(block, nuint.MaxValue), Is.EqualTo((nint)0));
        plain.Free(block);
        Assert.That((allocator.RefusalCount, allocator.MisuseCount), Is.EqualTo((3L, 0L)));
        Assert.That(
            allocator.FirstRefusal!.CallStack, Does.Contain(nameof(Too_much_is_null_counted_and_kept_with_its_stack)));
        Assert.That((nint)plain.Allocate(0), Is.Not.EqualTo((nint)0), "a size of 0 is a block, as malloc's");
        Assert.That((nint)NativeFunctions.AllocateAligned(allocator.UserData, 0, 8, 0), Is.Not.EqualTo((nint)0));
    }

    [Test]
    public void A_budget_holds_and_what_is_freed_may_be_taken_again([Values] bool small)
    {
        using ArenaGroup group = Memory.CreateArenaGroup("group");
        using SmallArena script = group.CreateArena("script");
        NativeAllocatorOptions options = new() { BudgetBytes = 100_000, Name = "lua" };
        using NativeAllocator allocator = small ? script.ToNativeAllocator(options) : Arena.ToNativeAllocator(options);
        PlainFunctions plain = allocator.BindPlain();
        List<nint> blocks = [];
        for (void* block; (block = plain.Allocate(1_000)) != null;)
            blocks.Add((nint)block);

        Assert.That(blocks, Has.Count.InRange(90, 100));
        Assert.That(allocator.LiveBytes, Is.LessThanOrEqualTo((nuint)100_000));
        Assert.That(allocator.FirstRefusal!.Message, Does.Contain("'lua'").And.Contain("over its budget of 97.7 KiB"));
        Assert.That((nint)plain.Reallocate((void*)blocks[0], 5_000), Is.EqualTo((nint)0));
        foreach (nint block in blocks)
            plain.Free((void*)block);

        Assert.That(allocator.LiveBytes, Is.EqualTo((nuint)0));
        void* again = plain.Allocate(50_000);
        Assert.That((nint)again, Is.Not.EqualTo((nint)0));
        plain.Free(again);
    }

    [Test]
    public void A_double_free_by_C_is_told_and_changes_nothing([Values] bool small)
    {
        using ArenaGroup group = Memory.CreateArenaGroup("group");
        using SmallArena script = group.CreateArena("script");
        using NativeAllocator allocator = small ? script.ToNativeAllocator(Told) : Arena.ToNativeAllocator(Told);
        PlainFunctions plain = allocator.BindPlain();
        void* block = plain.Allocate(48);
        plain.Free(block);
        plain.Free(block);
        plain.Free((void*)0x1234);
        Assert.That((nint)plain.Reallocate((void*)0x1234, 10), Is.EqualTo((nint)0));
        Assert.That(allocator.MisuseCount, Is.EqualTo(3));
        Assert.That(_told[0], Does.StartWith("A C library misused native allocator").And.Contain("freed twice"));
        Assert.That(
            allocator.FirstMisuse!.CallStack, Does.Contain(nameof(A_double_free_by_C_is_told_and_changes_nothing)));
    }

    [Test]
    public void The_call_that_was_chosen_fails_and_no_other()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        PlainFunctions plain = allocator.BindPlain();
        allocator.FailAfter(3);
        string got = "";
        for (int call = 0; call < 6; call++)
            got += plain.Allocate(64) != null ? "block " : "null ";

        Assert.That(got, Is.EqualTo("block block null block block block "));
    }

    [Test]
    public void A_refused_shrink_leaves_the_block_where_it_is()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        byte* block = (byte*)NativeFunctions.Allocate(allocator.UserData, 5_000);
        block[99] = 7;
        allocator.FailAfter(1);
        Assert.That(NativeFunctions.Resize(allocator.UserData, block, 5_000, 50_000) == null, "more is refused");
        allocator.FailAfter(1);
        Assert.That(NativeFunctions.Resize(allocator.UserData, block, 5_000, 100) == block, "less is not");
        Assert.That((block[99], allocator.RefusalCount), Is.EqualTo((7, 2)));
        NativeFunctions.Free(allocator.UserData, block);
        Assert.That((long)Arena.LiveBytes(), Is.Zero);
    }

    [Test]
    public void Blocks_stand_under_the_allocators_tag()
    {
        using LongLivedArena tracked = Memory.CreateLongLivedArena("tracked", ArenaTracking.Tags);
        using NativeAllocator allocator =
            tracked.ToNativeAllocator(new NativeAllocatorOptions { Tag = AllocationTag.Register("interop sqlite") });
        void* block = NativeFunctions.Allocate(allocator.UserData, 100);
        Assert.That(tracked.LiveAllocations()[0], Is.EqualTo(new LiveAllocation(100, 1, "interop sqlite", null)));
        NativeFunctions.Free(allocator.UserData, block);
        Assert.That(tracked.LiveAllocations(), Is.Empty);
    }

    [Test]
    public void A_disposed_allocator_gives_null_and_its_binding_to_the_next()
    {
        NativeAllocator[] all = [.. Enumerable.Range(0, 9).Select(_ => Arena.ToNativeAllocator())];
        PlainFunctions first = all[0].BindPlain();
        for (int index = 1; index < 8; index++)
            all[index].BindPlain();

        Assert.That(() => all[8].BindPlain(), Throws.InvalidOperationException);
        all[0].Dispose();
        all[0].Dispose();
        Assert.That((nint)first.Allocate(10), Is.EqualTo((nint)0));
        Assert.That((nint)NativeFunctions.Allocate(all[0].UserData, 10), Is.EqualTo((nint)0));
        all[8].BindPlain();
        foreach (NativeAllocator allocator in all)
            allocator.Dispose();
    }

    [Test]
    public void A_prewarmed_allocator_neither_faults_nor_makes_garbage()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        PlainFunctions plain = allocator.BindPlain();
        Arena.Prewarm([new BlockCount(200, 2_000)], threads: 1);
        void Work()
        {
            for (int index = 0; index < 1_000; index++)
                plain.Free(plain.Reallocate(plain.Allocate(100), 200));
        }

        Work();
        HotLoopCost cost = HotLoopCost.BestOf(3, () => HotLoopCost.Of(Memory, Work));
        Assert.That((cost.EngineFaults, cost.OsCalls, cost.ManagedBytes), Is.EqualTo((0L, 0L, 0L)));
    }
}
