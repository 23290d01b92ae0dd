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
            Throws.ArgumentException.With.Message.Contains($"alignment of {Sizes.Text(alignment)} was"));

    [TestCase(0UL, "0 bytes")]
    [TestCase(1UL, "1 byte")]
    [TestCase(1023UL, "1,023 bytes")]
    [TestCase(1024UL, "1 KiB")]
    [TestCase(1536UL, "1.5 KiB")]
    [TestCase(1544UL, "1.51 KiB", "1.51 KiB (1,544 bytes)")]
    [TestCase(10_240UL, "10 KiB")]
    [TestCase(70_042UL, "68.4 KiB", "68.4 KiB (70,042 bytes)")]
    [TestCase((1UL << 20) - 1, "1,024 KiB", "1,024 KiB (1,048,575 bytes)")]
    [TestCase(1UL << 21, "2 MiB")]
    [TestCase(64UL << 30, "64 GiB")]
    [TestCase(1UL << 60, "1,048,576 TiB")]
    public void Sizes_are_written_with_three_significant_digits_and_to_the_byte_where_asked(
        ulong bytes, string text, string? exact = null)
    {
        Assert.That(Sizes.Text((nuint)bytes), Is.EqualTo(text));
        Assert.That(Sizes.Exact((nuint)bytes), Is.EqualTo(exact ?? text));
    }

    [TestCase(0, "0 ns")]
    [TestCase(999, "999 ns")]
    [TestCase(1_000, "1 µs")]
    [TestCase(4_349, "4.35 µs")]
    [TestCase(33_849, "33.8 µs")]
    [TestCase(999_600, "1,000 µs")]
    [TestCase(16_666_667, "16.7 ms")]
    [TestCase(1_250_000_000, "1.25 s")]
    [TestCase(3_600_500_000_000, "3,601 s")]
    public void Times_are_written_with_three_significant_digits(long nanoseconds, string text) =>
        Assert.That(Times.Text(nanoseconds), Is.EqualTo(text));

    [TestCase(0, "0 page faults")]
    [TestCase(1, "1 page fault")]
    [TestCase(-1, "-1 page fault")]
    [TestCase(1_234_567, "1,234,567 page faults")]
    public void Counts_have_plurals_and_groups(long number, string text) =>
        Assert.That(Sizes.Count(number, "page fault", "page faults"), Is.EqualTo(text));

    [Test]
    public void Sizes_in_tables_have_a_sign_and_the_symbol_of_the_byte()
    {
        Assert.That(Sizes.Cell(-1536), Is.EqualTo("-1.5 KiB"));
        Assert.That(Sizes.Cell(long.MinValue), Is.EqualTo("-8,388,608 TiB"));
        Assert.That(Sizes.Cell(512), Is.EqualTo("512 B"));
    }
}
