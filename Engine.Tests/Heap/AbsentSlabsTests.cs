using Engine.Tests.Diagnostics;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>Free slabs without memory: what a trim takes of a SuperSlab in use, and how it comes back.</summary>
internal sealed unsafe class AbsentSlabsTests : ArenaFixture
{
    private const int Blocks = 2_000;
    private static readonly nuint s_block = 60 * Sizes.KiB;

    [Test]
    public void A_trim_gives_back_the_slabs_without_a_block_and_keeps_the_others()
    {
        SkipWithoutResidency();
        byte*[] kept = FillAndKeepFew();
        int superSlabs = Arena.SuperSlabCount;
        nuint resident = ResidentMemory.Bytes;
        long free = Snapshots.Take(Memory).Use.FreeSlabBytes;
        Assert.That(free, Is.GreaterThan(80 << 20), "most slabs of nearly all SuperSlabs are free");
        nuint given = Memory.Trim();
        Memory.Validate();
        Assert.That((long)given, Is.GreaterThanOrEqualTo(free));
        Assert.That(
            ResidentMemory.MiBSince(resident), Is.EqualTo(-(double)given / (1 << 20)).Within(ResidentMemory.NoiseMiB));
        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs), "each has a block");
        MemorySnapshot snapshot = Snapshots.Take(Memory);
        Assert.That(snapshot.Use.FreeSlabBytes, Is.Zero);
        Assert.That(Snapshots.ArenaOf(snapshot, "arena").AbsentBytes, Is.GreaterThan(80 << 20));
        Assert.That(Memory.ResidentBytes(), Is.EqualTo(snapshot.Use.Bytes).Within(2).Percent);
        foreach (byte* block in kept)
            Assert.That(block[0], Is.EqualTo(7));

        foreach (byte* block in kept)
            Arena.Free(block);

        Memory.Validate();
    }

    [Test]
    public void What_is_allocated_there_again_is_resident_before_it_is_written()
    {
        SkipWithoutResidency();
        FillAndKeepFew();
        Memory.Trim();
        long resident = Memory.ResidentBytes();
        List<nint> blocks = [];
        for (int count = 0; count < 500; count++)
        {
            blocks.Add((nint)Arena.Allocate(s_block));
            Assert.That(Memory.PagesThatWouldFault(blocks[^1] & ~4095, 60 * 1024), Is.LessThanOrEqualTo(0));
        }

        Assert.That(Memory.ResidentBytes(), Is.GreaterThan(resident).Or.EqualTo(-1), "-1: the system does not tell");
        Memory.Validate();
        foreach (nint block in blocks)
            Arena.Free((void*)block);
    }

    [Test]
    public void Extents_and_growing_blocks_do_not_take_slabs_without_memory()
    {
        SkipWithoutResidency();
        Random random = TestRandom.Create();
        FillAndKeepFew();
        Memory.Trim();
        ShadowModel model = new();
        for (int round = 0; round < 600; round++)
        {
            nuint bytes = (nuint)random.Next(1, 6 << 20);
            if (model.Count < 12)
            {
                model.Add(Arena.Allocate(bytes), bytes);
                continue;
            }

            void* block = model.Pick(random, out _);
            model.Moved(block, Arena.Reallocate(block, bytes), bytes);
            if (round % 100 == 50)
                Memory.Trim();
        }

        model.CheckAll();
        Memory.Validate();
        model.Drain(block => Arena.Free((void*)block));
    }

    [Test]
    public void A_SuperSlab_that_lost_slabs_goes_back_whole_when_it_is_empty()
    {
        SkipWithoutResidency();
        byte*[] kept = FillAndKeepFew();
        Memory.Trim();
        foreach (byte* block in kept)
            Arena.Free(block);

        Arena.Trim();
        Memory.Validate();
        Memory.Trim();
        Assert.That(Memory.OwnedSuperSlabCount + Memory.ReadySuperSlabCount, Is.Zero);
        Assert.That(
            Memory.PagesThatWouldFault(Memory.ReservationBase, Size.MiB(256)),
            Is.EqualTo((256 << 20) / Environment.SystemPageSize));
        void* again = Arena.Allocate(Size.MiB(100));
        new Span<byte>(again, 100 << 20).Fill(1);
        Arena.Free(again);
    }

    [Test]
    public void Prewarmed_memory_stays()
    {
        Arena.Prewarm([new BlockCount(s_block, 100), new BlockCount(100, 5_000)], threads: 1, carve: false);
        Memory.Trim();
        long osCalls = Memory.OsCalls;
        nint[] blocks = Allocate(s_block, 100);
        nint[] small = Allocate(100, 5_000);
        Assert.That(Memory.OsCalls, Is.EqualTo(osCalls));
        FreeAll(blocks);
        FreeAll(small);
    }

    /// <summary>A refused call leaves the slabs as they are, and the block that needed them is refused clearly, or
    /// another way is found.</summary>
    [TestCase("madvise", 61_440)]
    [TestCase("madvise", 9_000)]
    [TestCase("mmap", 61_440)]
    [TestCase("mmap", 9_000)]
    [TestCase("mprotect", 61_440)]
    public void Each_refused_call_of_a_trim_or_an_allocation_leaves_all_in_order(string function, int blockBytes)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        const int OutOfMemory = 12;
        bool reached = true;
        for (int call = 1; reached && call < 300; call++)
        {
            using FailingContext context = new();
            using EngineMemory memory = new(
                new EngineMemoryOptions { ReservationBytes = Size.MiB(256), NativeContext = context });
            using LongLivedArena arena = memory.CreateLongLivedArena("arena");
            nint[] blocks = new nint[64];
            for (int block = 0; block < blocks.Length; block++)
            {
                blocks[block] = (nint)arena.Allocate((nuint)blockBytes);
                *(long*)blocks[block] = block;
            }

            for (int block = 0; block < blocks.Length; block++)
            {
                if (block % 16 != 0)
                    arena.Free((void*)blocks[block]);
            }

            arena.Trim();
            long before = context.CallsOf(function);
            context.Fail(function, call, OutOfMemory);
            Refused(() => memory.Trim());
            memory.Validate();
            for (int block = 0; block < blocks.Length; block++)
            {
                if (block % 16 != 0)
                {
                    Refused(() => blocks[block] = (nint)arena.Allocate((nuint)blockBytes));
                    *(long*)blocks[block] = block;
                }
            }

            reached = context.CallsOf(function) - before >= call;
            context.Heal(function);
            memory.Validate();
            for (int block = 0; block < blocks.Length; block++)
            {
                Assert.That(*(long*)blocks[block], Is.EqualTo(block));
                arena.Free((void*)blocks[block]);
            }

            memory.Trim();
        }

        Assert.That(reached, Is.False, "a life passes without the failure");

        void Refused(Action step)
        {
            try
            {
                step();
            }
            catch (Exception refusal) when (refusal is EngineMemoryException)
            {
                Assert.That(refusal.Message, Has.Length.GreaterThan(30));
                step();
            }
        }
    }

    [Test]
    public void Threads_go_on_while_another_trims() => WhileAnotherTrims(threads: 2, trims: 60, (random, model) =>
    {
        nuint bytes = (nuint)random.Next(1, 300_000);
        if (model.Count < 100)
            model.Add(Arena.Allocate(bytes), bytes);
        else
            Arena.Free(model.Take(random));
    });

    /// <summary>Many blocks of a slab each, of which one in 40 stays.</summary>
    private byte*[] FillAndKeepFew()
    {
        nint[] blocks = Allocate(s_block, Blocks);
        List<nint> kept = [];
        for (int block = 0; block < blocks.Length; block++)
        {
            *(byte*)blocks[block] = 7;
            if (block % 40 == 0)
                kept.Add(blocks[block]);
            else
                Arena.Free((void*)blocks[block]);
        }

        Arena.Trim();
        byte*[] left = new byte*[kept.Count];
        for (int block = 0; block < left.Length; block++)
            left[block] = (byte*)kept[block];

        return left;
    }
}
