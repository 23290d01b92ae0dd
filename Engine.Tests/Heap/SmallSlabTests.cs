using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>One slab of cells in memory of the test, against a model of its bytes.</summary>
internal sealed unsafe class SmallSlabTests
{
    private SmallSlab* _slab;
    private byte* _memory;

    [SetUp]
    public void MakeSlab()
    {
        _memory = (byte*)NativeMemory.AlignedAlloc(SlabGeometry.SlabBytes, SlabGeometry.SlabBytes);
        _slab = (SmallSlab*)NativeMemory.AlignedAlloc(SmallSlab.Bytes, 64);
        new Span<byte>(_slab, SmallSlab.Bytes).Fill(0xA5);
        SmallSlab.Begin(_slab, (nuint)_memory);
    }

    [TearDown]
    public void FreeSlab()
    {
        NativeMemory.AlignedFree(_memory);
        NativeMemory.AlignedFree(_slab);
    }

    [Test]
    public void A_description_takes_a_few_hundred_bytes() =>
        Assert.That((sizeof(SmallSlab), sizeof(SmallBlocks)), Is.EqualTo((704, 128)));

    [Test]
    public void Every_class_fills_the_slab_with_blocks_that_lie_apart()
    {
        for (int sizeClass = 0; sizeClass < SmallClass.Count; sizeClass++)
        {
            SmallSlab.Begin(_slab, (nuint)_memory);
            nuint bytes = SizeClasses.BlockBytes(sizeClass);
            HashSet<nuint> blocks = [];
            nuint end = 0;
            for (nuint block; (block = SmallSlab.TryTake(_slab, sizeClass)) != 0; end = nuint.Max(end, block + bytes))
            {
                Assert.That(blocks.Add(block));
                Assert.That(blocks.Contains(block - bytes) || (block - (nuint)_memory) % SmallSlab.CellBytes == 0);
                Assert.That(SmallSlab.Find(_slab, block).State, Is.EqualTo(SmallBlockState.Live));
                Assert.That(SmallSlab.Find(_slab, block + 15).State, Is.EqualTo(SmallBlockState.Inside));
            }

            Assert.That(end, Is.LessThanOrEqualTo((nuint)_memory + SlabGeometry.SlabBytes));
            Assert.That((nuint)blocks.Count * bytes, Is.GreaterThan(SlabGeometry.SlabBytes * 4 / 5), $"{bytes} bytes");
            Assert.That(SmallSlab.Fault(_slab), Is.Null);
            foreach (nuint block in blocks)
                SmallSlab.Free(_slab, SmallSlab.Find(_slab, block));

            Assert.That((_slab->IsEmpty, SmallSlab.Fault(_slab)), Is.EqualTo((true, (string?)null)));
        }
    }

    [Test]
    public void Random_use_keeps_every_block_whole_and_every_equation_true()
    {
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int step = 0; step < 30_000; step++)
        {
            if (random.Next(5) < 2 && model.Count != 0)
            {
                void* block = model.Take(random);
                SmallSlab.Free(_slab, SmallSlab.Find(_slab, (nuint)block));
                Assert.That(SmallSlab.Find(_slab, (nuint)block).State, Is.Not.EqualTo(SmallBlockState.Live));
            }
            else if (random.Next(3) == 0)
            {
                int cells = random.Next(1, random.Next(1, 65) + 1);
                int alignment = 1 << random.Next(7);
                nuint block = SmallSlab.TryTakeWhole(_slab, cells, alignment);
                if (block != 0)
                    model.Add((void*)block, (nuint)cells * SmallSlab.CellBytes, (nuint)alignment * SmallSlab.CellBytes);
            }
            else
            {
                int sizeClass = random.Next(SmallClass.Count);
                nuint block = SmallSlab.TryTake(_slab, sizeClass);
                if (block != 0)
                    model.Add((void*)block, SizeClasses.BlockBytes(sizeClass));
            }

            if (step % 100 == 0)
            {
                model.CheckAll();
                Assert.That(SmallSlab.Fault(_slab), Is.Null);
                int live = 0;
                nuint address = (nuint)_memory;
                for (SmallBlock block; (block = SmallSlab.NextLive(_slab, ref address)).Bytes != 0; live++)
                    address += block.Bytes;

                Assert.That(live, Is.EqualTo(model.Count));
            }
        }
    }

    [Test]
    public void Damage_is_found()
    {
        _ = SmallSlab.TryTake(_slab, 3);
        Assert.That(SmallSlab.Fault(_slab), Is.Null);
        _slab->OpenCells |= 1 << 5;
        Assert.That(SmallSlab.Fault(_slab), Does.Contain("cell 5"));
        _slab->OpenCells = 0;
        Assert.That(SmallSlab.Fault(_slab), Does.Contain("cell 0").And.Contains("not open"));
    }
}
