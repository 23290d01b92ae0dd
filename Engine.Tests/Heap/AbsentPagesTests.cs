using Engine.Tests.Diagnostics;
using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>Free pages in slabs that hold blocks: what a trim takes of them, and how they come back.</summary>
[TestFixture(PrefaultPolicy.Automatic)]
[TestFixture(PrefaultPolicy.Clear)]
[TestFixture(PrefaultPolicy.None)]
internal sealed unsafe class AbsentPagesTests(PrefaultPolicy policy) : ArenaFixture
{
    private const int Bytes = 40 << 20;

    /// <summary>Behind huge pages the kernel's khugepaged may put what a trim took, before the test looks.</summary>
    protected override EngineMemoryOptions Options =>
        base.Options with { Prefault = policy, Pages = PageKind.Normal };

    private bool IsPrefaulted => policy != PrefaultPolicy.None;

    /// <param name="blockBytes">The blocks' size.</param>
    /// <param name="kept">How many blocks are allocated for each that stays live.</param>
    /// <param name="most">The most resident bytes for each live byte: a small block keeps 4 KiB.</param>
    [TestCase(100, 400, 43.0)]
    [TestCase(1_000, 40, 5.2)]
    [TestCase(6_000, 20, 2.5)]
    [TestCase(20_000, 20, 1.5)]
    [TestCase(30_000, 20, 1.4)]
    public void A_trim_gives_back_the_pages_on_which_no_block_lies(int blockBytes, int kept, double most)
    {
        SkipWithoutResidency();
        List<nint> blocks = FillAndKeep(blockBytes, kept);
        long before = Arena.ResidentBytes();
        nuint given = Memory.Trim();
        Memory.Validate();
        long held = Arena.ResidentBytes();
        double live = (double)blocks.Count * blockBytes;
        Assert.That(held, Is.LessThan((most * live) + (1 << 20)), $"{before} before, {given} given back");
        MemorySnapshot snapshot = Snapshots.Take(Memory);
        ArenaRow row = Snapshots.ArenaOf(snapshot, "arena");
        Assert.That(row.AbsentBytes, Is.GreaterThan(Bytes / 3));
        if (IsPrefaulted)
            Assert.That(Memory.ResidentBytes(), Is.EqualTo(snapshot.Use.Bytes).Within(2).Percent);

        CheckAndFree(blocks, blockBytes);
    }

    [Test]
    public void Blocks_there_are_resident_before_they_are_written_and_their_neighbours_keep_their_contents(
        [Values(100, 1_000, 6_000, 20_000)] int blockBytes)
    {
        SkipWithoutResidency();
        List<nint> blocks = FillAndKeep(blockBytes, 30);
        long before = Arena.SuperSlabCount;
        Memory.Trim();
        while (Arena.SuperSlabCount == before && blocks.Count < Bytes / blockBytes)
        {
            nint block = (nint)Arena.Allocate((nuint)blockBytes);
            long faults = Memory.PagesThatWouldFaultOn(block, (nuint)blockBytes);
            Assert.That(faults, IsPrefaulted ? Is.Zero : Is.GreaterThanOrEqualTo(0));
            Mark(block, blockBytes);
            blocks.Add(block);
        }

        Memory.Validate();
        Assert.That(blocks, Has.Count.GreaterThan(Bytes / blockBytes / 2), "it took the slabs that it has");
        CheckAndFree(blocks, blockBytes);
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void Slabs_that_lost_pages_serve_other_sizes_and_go_back_whole()
    {
        SkipWithoutResidency();
        CheckAndFree(FillAndKeep(1_000, 40, trims: true), 1_000);
        CheckAndFree(FillAndKeep(20_000, 25, trims: true), 20_000);
        nint[] large = Allocate(300_000, 60);
        foreach (nint block in large)
            Mark(block, 300_000);

        Memory.Validate();
        CheckAndFree([.. large], 300_000);
        Arena.Trim();
        Memory.Trim();
        Memory.Validate();
        Assert.That(Memory.OwnedSuperSlabCount + Memory.ReadySuperSlabCount, Is.Zero);
        Assert.That(
            Memory.PagesThatWouldFault(Memory.ReservationBase, Size.MiB(128)) * Environment.SystemPageSize,
            Is.EqualTo(128 << 20));
    }

    [Test]
    public void Slabs_that_lost_pages_have_them_again_before_another_size_is_given_them()
    {
        SkipWithoutResidency();
        List<nint> blocks = FillAndKeep(1_000, 40, trims: true);

        // One block stays in each SuperSlab, about, so that none leaves the arena.
        List<nint> few = [.. blocks.Where((_, index) => index % 50 == 0)];
        CheckAndFree([.. blocks.Except(few)], 1_000);
        Arena.Trim();
        long superSlabs = Arena.SuperSlabCount;
        foreach (nint block in Allocate(300_000, 40))
        {
            long faults = Memory.PagesThatWouldFaultOn(block, 300_000);
            Assert.That(faults, IsPrefaulted ? Is.Zero : Is.GreaterThanOrEqualTo(0));
            Mark(block, 300_000);
            CheckAndFree([block], 300_000);
        }

        Assert.That(Arena.SuperSlabCount, Is.EqualTo(superSlabs), "they had room in slabs that were free");
        CheckAndFree(few, 1_000);
    }

    [Test]
    public void A_size_that_a_prewarm_named_keeps_its_pages()
    {
        Arena.Prewarm([new BlockCount(1_000, 5_000)], threads: 1);
        nint[] blocks = Allocate(1_000, 20_000);
        FreeAll(blocks[1..]);
        Arena.Trim();
        Memory.Trim();
        long calls = Memory.OsCalls;
        nint[] again = Allocate(1_000, 4_999);
        Assert.That(Memory.OsCalls, Is.EqualTo(calls));
        FreeAll([blocks[0], .. again]);
    }

    [Test]
    public void Random_use_between_trims_does_what_the_model_does()
    {
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int round = 0; round < 12_000; round++)
        {
            // Sizes whose blocks lie side by side; the count swings so that trims find something.
            nuint bytes = (nuint)Math.Pow(2, 4 + (random.NextDouble() * 12));
            int aim = 300 + (int)(2_500 * (1 + Math.Sin(round / 800.0)));
            if (model.Count < aim)
                model.Add(Arena.Allocate(bytes), bytes);
            else
                Arena.Free(model.Take(random));

            while (model.Count > aim + 50)
                Arena.Free(model.Take(random));

            if (random.Next(8) == 0 && model.Count != 0)
            {
                void* block = model.Pick(random, out _);
                model.Moved(block, Arena.Reallocate(block, bytes), bytes);
            }

            if (round % 400 == 399)
            {
                Arena.Trim();
                Memory.Trim();
                Memory.Validate();
            }
        }

        model.CheckAll();
        model.Drain(block => Arena.Free((void*)block));
        Memory.Validate();
    }

    /// <summary>Threads share slabs whose pages go and come: nobody's contents change.</summary>
    [Test]
    public void Threads_allocate_and_free_small_blocks_while_another_trims() =>
        WhileAnotherTrims(threads: 3, trims: 100, (random, model) =>
        {
            nuint bytes = (nuint)Math.Pow(2, 4 + (random.NextDouble() * 11));
            if (model.Count < 2_000 && random.Next(4) != 0)
                model.Add(Arena.Allocate(bytes), bytes);

            while (model.Count > 500 && random.Next(300) == 0)
            {
                for (int count = 0; count < 400; count++)
                    Arena.Free(model.Take(random));

                Arena.Trim(TimeSpan.FromMilliseconds(1));
            }
        });

    /// <summary>A reset frees what a trim has set aside, too.</summary>
    [Test]
    [Category(Lane.Slow)]
    public void Blocks_after_a_reset_keep_their_contents_while_another_thread_trims()
    {
        int seed = TestRandom.Seed();
        bool isOver = false;
        Workers.Run(2, worker =>
        {
            if (worker == 0)
            {
                while (!Volatile.Read(ref isOver))
                    Memory.Trim();

                return;
            }

            Random random = new(seed);
            for (int round = 0; round < 150; round++)
            {
                ShadowModel model = new();
                for (int count = 0; count < 1_500; count++)
                {
                    nuint bytes = (nuint)random.Next(16, 12_000);
                    model.Add(Arena.Allocate(bytes), bytes);
                    if (random.Next(3) != 0)
                        Arena.Free(model.Take(random));
                }

                model.CheckAll();
                model.Clear();
                Arena.Reset();
            }

            Volatile.Write(ref isOver, true);
        });
        Memory.Validate();
    }

    [Test]
    public void Damage_to_its_description_is_found()
    {
        void* block = Arena.Allocate(1_000);
        Arena.Trim(); // what the thread holds back returns to the run
        ref SlabRun run = ref *Arena.Slabs.Runs[Arena.Slabs.Runs.SlabOf((nint)block)];
        run.AbsentPages = ushort.MaxValue;
        Assert.That(
            Memory.Validate,
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("and without memory ffff"));
        run.AbsentPages = 0x8000;
        Assert.That(
            Memory.Validate,
            Throws.TypeOf<EngineMemoryException>()
                .With.Message.Contains("0 pages are counted as without memory, 1 are"));
        run.AbsentPages = 0;
        Arena.Free(block);
    }

    private List<nint> FillAndKeep(int blockBytes, int one, bool trims = false)
    {
        nint[] blocks = Allocate((nuint)blockBytes, Bytes / blockBytes);
        List<nint> kept = [];
        for (int index = 0; index < blocks.Length; index++)
        {
            Mark(blocks[index], blockBytes);
            if (index % one == 0)
                kept.Add(blocks[index]);
        }

        for (int index = 0; index < blocks.Length; index++)
        {
            if (index % one != 0)
                Arena.Free((void*)blocks[index]);
        }

        Arena.Trim();
        if (trims)
            Memory.Trim();

        return kept;
    }

    private static void Mark(nint block, int bytes) =>
        new Span<byte>((void*)block, bytes).Fill((byte)(block >> 4));

    private void CheckAndFree(List<nint> blocks, int bytes)
    {
        foreach (nint block in blocks)
        {
            int other = new Span<byte>((void*)block, bytes).IndexOfAnyExcept((byte)(block >> 4));
            Assert.That(other, Is.Negative, $"byte {other} of the block at 0x{block:x} changed");
            Arena.Free((void*)block);
        }
    }
}
