using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed class SizesTests
{
    [TestCase(0u, 16u, 0u)]
    [TestCase(1u, 16u, 16u)]
    [TestCase(16u, 16u, 16u)]
    [TestCase(17u, 16u, 32u)]
    [TestCase(5u, 1u, 5u)]
    public void Aligning_up_gives_the_next_multiple(uint value, uint powerOfTwo, uint expected) =>
        Assert.That(Sizes.AlignUp(value, powerOfTwo), Is.EqualTo((nuint)expected));

    [TestCase(0u, 7u, 0u)]
    [TestCase(1u, 7u, 1u)]
    [TestCase(7u, 7u, 1u)]
    [TestCase(8u, 7u, 2u)]
    public void Division_rounds_up(uint value, uint divisor, uint expected) =>
        Assert.That(Sizes.DivideRoundingUp(value, divisor), Is.EqualTo((nuint)expected));

    [Test]
    public void Division_of_the_largest_value_does_not_wrap() =>
        Assert.That(Sizes.DivideRoundingUp(nuint.MaxValue, 2), Is.EqualTo((nuint.MaxValue / 2) + 1));

    [Test]
    public void Bytes_of_elements_are_their_product()
    {
        Assert.That(Sizes.Of<long>(0), Is.EqualTo((nuint)0));
        Assert.That(Sizes.Of<long>(3), Is.EqualTo((nuint)24));
        Assert.That(Sizes.Of<byte>(long.MaxValue), Is.EqualTo(unchecked((nuint)long.MaxValue)));
    }

    [Test]
    public void Bytes_of_elements_do_not_wrap_where_int_arithmetic_would() =>
        Assert.That(Sizes.Of<int>(1 << 30), Is.EqualTo(Size.GiB(4)), "2^30 elements of 4 bytes");

    [Test]
    public void A_negative_count_is_refused() =>
        Assert.That(() =>
            Sizes.Of<byte>(-1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("negative"));

    [Test]
    public void A_product_that_does_not_fit_an_address_is_refused()
    {
        Assert.That(() => Sizes.Of<int>((long.MaxValue / 2) + 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Sizes.Of<Guid>(long.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Sizes.Of<Guid>(long.MaxValue / 8), Throws.Nothing);
    }

    [Test]
    public void Powers_of_two_up_to_the_maximum_are_alignments()
    {
        for (nuint alignment = 1; alignment <= 4096; alignment *= 2)
            Assert.That(() => Sizes.CheckAlignment(alignment, 4096), Throws.Nothing);
    }

    [TestCase(0u)]
    [TestCase(3u)]
    [TestCase(24u)]
    [TestCase(8192u)]
    public void Other_alignments_are_refused(uint alignment) =>
        Assert.That(() =>
            Sizes.CheckAlignment(alignment, 4096),
            Throws.ArgumentException.With.Message.Contains($"alignment of {alignment} bytes"));

    [Test]
    public void Sizes_are_written_as_a_person_would()
    {
        Assert.That(Sizes.Text(17), Is.EqualTo("17 bytes"));
        Assert.That(Sizes.Text(1536), Is.EqualTo("1.5 KiB"));
        Assert.That(Sizes.Text(3 * Sizes.MiB), Is.EqualTo("3.0 MiB"));
        Assert.That(Sizes.Text(Size.GiB(64)), Is.EqualTo("64.0 GiB"));
    }
}
