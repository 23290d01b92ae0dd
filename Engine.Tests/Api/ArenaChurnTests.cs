using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Random use of everything at once, against a shadow model.</summary>
internal sealed unsafe class ArenaChurnTests : ArenaFixture
{
    [Test]
    public void Random_use_keeps_every_block_whole_and_every_equation_true()
    {
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int step = 0; step < 40_000; step++)
        {
            switch (random.Next(100))
            {
                case 0 when random.Next(100) == 0:
                    model.CheckAll();
                    Arena.Reset();
                    model.Clear();
                    break;
                case 1 when random.Next(20) == 0:
                    Arena.Trim();
                    Memory.Trim(Size.MiB(random.Next(64)));
                    break;
                case 2 when random.Next(40) == 0:
                    Arena.Prewarm(
                        [new BlockCount(random.NextSize(21), random.Next(20))], threads: 1, carve: random.Next(2) == 0);
                    break;
                case < 45 when model.LiveBytes < Size.MiB(200):
                    nuint bytes = random.NextSize(random.Next(100) == 0 ? 26 : 15);
                    nuint alignment = random.Next(5) == 0 ? (nuint)1 << random.Next(22) : 16;
                    model.Add(Arena.Allocate(bytes, alignment), bytes, alignment);
                    break;
                case < 60 when model.Count > 0:
                    void* old = model.Pick(random, out _);
                    nuint newBytes = random.NextSize(random.Next(100) == 0 ? 26 : 15);
                    model.Moved(old, Arena.Reallocate(old, newBytes), newBytes);
                    break;
                default:
                    if (model.Count > 0)
                    {
                        Arena.Free(model.Take(random));
                    }

                    break;
            }

            if (step % 4_000 == 0)
            {
                Memory.Validate();
                model.CheckAll();
            }
        }

        model.CheckAll();
        model.Drain(block => Arena.Free((void*)block));
    }

    [Category(Engine.Tests.Os.Machine.NeedsRealKernel)]
    [Test]
    [Category("Large")]
    [Explicit("Takes 8 GiB of memory, and up to a minute where it comes in small pages: dotnet test --filter "
        + "TestCategory=Large")]
    public void An_extent_of_8_GiB_can_be_written_to_its_end()
    {
        const int GiB = 8;
        if (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < (GiB + 4L) << 30)
            Assert.Ignore($"There is not enough memory for {GiB} GiB.");

        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(12) });
        using LongLivedArena arena = memory.CreateLongLivedArena("large");
        nuint before = ResidentMemory.Settled();
        byte* block;
        try
        {
            block = (byte*)arena.Allocate(Size.GiB(GiB));
        }
        catch (EngineOutOfMemoryException exception)
        {
            Assert.Ignore(exception.Message);
            return;
        }

        block[0] = 1;
        block[Size.GiB(GiB) - 1] = 2;
        block[Size.GiB(5)] = 3;
        Assert.That(block[0] == 1 && block[Size.GiB(GiB) - 1] == 2 && block[Size.GiB(5)] == 3, Is.True);
        Assert.That(ResidentMemory.MiBSince(before), Is.EqualTo(GiB * 1024).Within(64));
        Assert.That(
            (nint)arena.Reallocate(block, Size.GiB(GiB) + Size.MiB(200)), Is.EqualTo((nint)block), "grown where it is");
        memory.Validate();
        arena.Free(block);
        memory.Trim();
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(16));
    }

    [Test]
    public void Extents_of_several_GiB_of_address_space_are_computed_right_without_their_memory()
    {
        // Without a prefault only what is written becomes resident.
        using EngineMemory memory = new(new EngineMemoryOptions { Prefault = PrefaultPolicy.None });
        Assume.That(memory.ReservationBytes, Is.GreaterThanOrEqualTo(Size.GiB(32)), "the system allows that much");
        using LongLivedArena arena = memory.CreateLongLivedArena("wide");
        foreach (int gibibytes in (int[])[3, 5, 12])
        {
            byte* block;
            try
            {
                block = (byte*)arena.Allocate(Size.GiB(gibibytes));
            }
            catch (EngineOutOfMemoryException exception)
            {
                // Committing more than the machine has is refused by some systems, and rightly so.
                TestContext.Out.WriteLine(exception.Message);
                continue;
            }

            Assert.That(arena.UsableBytes(block), Is.EqualTo(Size.GiB(gibibytes)));
            block[Size.GiB(gibibytes) - 1] = 1;
            block[0] = 2;
            Assert.That(block[Size.GiB(gibibytes) - 1], Is.EqualTo(1));
            memory.Validate();
            arena.Free(block);
        }
    }
}
