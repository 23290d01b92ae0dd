using System.Numerics;

namespace Engine.Tests.Heap;

internal sealed class SizeClassesTests
{
    private static readonly nuint Extents = 32 * Sizes.MiB;

    [Test]
    public void Every_size_up_to_2_MiB_has_the_smallest_block_that_holds_it()
    {
        int previous = 0;
        for (nuint bytes = 0; bytes <= (2 * Sizes.MiB) + 4096; bytes++)
        {
            int index = SizeClasses.IndexOf(bytes);
            nuint block = SizeClasses.BlockBytes(index);
            bool holds = block >= bytes && index >= previous
                && (index == 0 || SizeClasses.BlockBytes(index - 1) < bytes);
            bool wastesLittle = bytes <= 128 ? block - bytes <= 16 : (block - bytes) * 8 <= block
                || bytes > SlabGeometry.SuperSlabBytes;
            if (!holds || !wastesLittle)
            {
                Assert.Fail(
                    $"{bytes} bytes are put in class {index}, blocks of {block} bytes; the size before was in class "
                    + $"{previous}");
            }

            previous = index;
        }
    }

    [Test]
    public void The_waste_is_at_most_an_eighth_above_128_bytes()
    {
        for (int index = SizeClasses.IndexOf(129); index < SizeClasses.Huge; index++)
        {
            nuint smallest = SizeClasses.BlockBytes(index - 1) + 1;
            double waste = (double)(SizeClasses.BlockBytes(index) - smallest) / SizeClasses.BlockBytes(index);
            Assert.That(waste, Is.LessThanOrEqualTo(0.125), $"class {index}");
        }
    }

    [Test]
    public void Classes_and_block_sizes_belong_to_each_other()
    {
        for (int index = 0; index < SizeClasses.Huge; index++)
        {
            nuint block = SizeClasses.BlockBytes(index);
            Assert.That(SizeClasses.IndexOf(block), Is.EqualTo(index), $"{block} bytes");
            Assert.That(block % 16, Is.EqualTo((nuint)0));
            Assert.That(index == 0 || SizeClasses.BlockBytes(index - 1) < block);
        }

        Assert.That(SizeClasses.IndexOf(Extents), Is.EqualTo(SizeClasses.Huge - 1));
        Assert.That(SizeClasses.IndexOf(Extents + 1), Is.EqualTo(SizeClasses.Huge));
        Assert.That(SizeClasses.IndexOf(nuint.MaxValue), Is.EqualTo(SizeClasses.Huge));
        Assert.That(SizeClasses.BlockBytes(SizeClasses.Huge), Is.EqualTo((nuint)0));
    }

    [TestCase(-1)]
    [TestCase(SizeClasses.Count)]
    public void A_class_that_does_not_exist_is_refused(int index) =>
        Assert.That(() => SizeClasses.BlockBytes(index), Throws.TypeOf<ArgumentOutOfRangeException>());

    [Test]
    public void Every_alignment_up_to_2_MiB_gets_the_smallest_blocks_that_begin_at_its_multiples()
    {
        for (nuint alignment = 1; alignment <= SlabGeometry.SuperSlabBytes; alignment *= 2)
        {
            foreach (nuint bytes in SizesAround(alignment))
            {
                int index = SizeClasses.IndexOf(bytes, alignment);
                nuint block = index == SizeClasses.Huge ? Sizes.AlignUp(bytes, SlabGeometry.SuperSlabBytes)
                    : SizeClasses.BlockBytes(index);
                string what = $"{bytes} bytes aligned to {alignment}: blocks of {block}";
                Assert.That(block, Is.GreaterThanOrEqualTo(bytes), what);

                // Slab runs begin at multiples of 64 KiB; blocks of 2 MiB and more stand alone at multiples of 2 MiB.
                nuint distance = block >= SlabGeometry.SuperSlabBytes ? SlabGeometry.SuperSlabBytes
                    : Gcd(block, SlabGeometry.SlabBytes);
                Assert.That(distance % alignment, Is.EqualTo((nuint)0), what);
                bool isSmallest = true;
                for (int smaller = SizeClasses.IndexOf(bytes); smaller < index
                    && alignment <= SlabGeometry.SlabBytes; smaller++)
                {
                    isSmallest &= SizeClasses.BlockBytes(smaller) % alignment != 0;
                }

                Assert.That(isSmallest, what);
            }
        }
    }

    [Test]
    public void An_alignment_of_16_or_less_changes_nothing()
    {
        for (nuint bytes = 0; bytes < 5_000; bytes++)
            Assert.That(SizeClasses.IndexOf(bytes, 16), Is.EqualTo(SizeClasses.IndexOf(bytes)));
    }

    [Test]
    public void A_run_has_room_for_a_block_and_leaves_little_unused()
    {
        for (int index = 0; index <= SizeClasses.LastWithinSuperSlab; index++)
        {
            nuint block = SizeClasses.BlockBytes(index);
            int slabs = SizeClasses.SlabsPerRun(index);
            nuint bytes = (nuint)slabs << SlabGeometry.SlabShift;
            Assert.That(slabs, Is.InRange(1, SlabGeometry.SlabCount));
            Assert.That(bytes, Is.GreaterThanOrEqualTo(block));
            Assert.That(
                bytes % block * 8, Is.LessThanOrEqualTo(bytes),
                $"class {index}: the end of a run that no block fits in");
        }
    }

    [Test]
    public void Magazines_hold_64_KiB_at_most_of_large_blocks_1_MiB_and_one_block_at_least()
    {
        for (int index = 0; index < SizeClasses.Huge; index++)
        {
            nuint block = SizeClasses.BlockBytes(index);
            int blocks = Magazine.BlocksOf(index);
            Assert.That(blocks, block <= 8 * Sizes.MiB ? Is.InRange(1, 126) : Is.Zero);
            nuint most = (block > 32 * Sizes.KiB ? 1024u : 64u) * Sizes.KiB;
            Assert.That(blocks <= 1 || (nuint)blocks * block <= most, $"class {index}");
            Assert.That(
                SizeClasses.CacheBlocks(index),
                Is.EqualTo(block <= 32 * Sizes.KiB ? 2 * blocks : blocks == 0 ? 0 : blocks + 1));
            Assert.That(Magazine.StockLimit(index), Is.InRange(0, MagazineStock.MaximumCount));
        }
    }

    private static IEnumerable<nuint> SizesAround(nuint alignment)
    {
        for (int power = 0; power <= 26; power++)
        {
            nuint size = (nuint)1 << power;
            foreach (nuint bytes in (nuint[])[size - 1, size, size + 1, size + (size / 3), size + alignment])
                yield return bytes;
        }
    }

    private static nuint Gcd(nuint left, nuint right) => (nuint)BigInteger.GreatestCommonDivisor(left, right);
}
