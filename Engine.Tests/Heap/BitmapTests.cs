using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>The bit twiddling against loops over single bits.</summary>
internal sealed unsafe class BitmapTests
{
    private const int Bits = 256;

    [Test]
    [Category(Lane.Slow)]
    public void Setting_and_clearing_runs_changes_exactly_these_bits()
    {
        Random random = TestRandom.Create();
        ulong* words = stackalloc ulong[Bits / 64];
        new Span<ulong>(words, Bits / 64).Clear();
        bool[] model = new bool[Bits];
        for (int round = 0; round < 2_000; round++)
        {
            int start = random.Next(Bits + 1);
            int count = random.Next(Bits - start + 1);
            bool set = random.Next(2) == 0;
            if (set)
                Bitmap.Set(words, start, count);
            else
                Bitmap.Clear(words, start, count);

            model.AsSpan(start, count).Fill(set);
            for (int index = 0; index < Bits; index++)
            {
                Assert.That(
                    Bitmap.IsSet(words, index), Is.EqualTo(model[index]),
                    $"bit {index} after [{start}, +{count}) = {set}");
            }
        }
    }

    [Test]
    public void Runs_are_found_where_a_loop_finds_them()
    {
        Random random = TestRandom.Create();
        ulong* first = stackalloc ulong[Bits / 64];
        ulong* second = stackalloc ulong[Bits / 64];
        for (int round = 0; round < 20_000; round++)
        {
            FillRandomly(random, first);
            FillRandomly(random, second);
            int start = random.Next(Bits);
            int end = random.Next(start, Bits + 1);
            int count = random.Next(1, 80);
            int expected = NaiveFindRun(first, second, start, end, count);
            Assert.That(
                Bitmap.FindRun(first, second, start, end, count), Is.EqualTo(expected),
                $"round {round}: {count} bits in [{start}, {end})");
        }
    }

    [Test]
    public void Run_lengths_are_what_a_loop_counts()
    {
        Random random = TestRandom.Create();
        ulong* words = stackalloc ulong[Bits / 64];
        for (int round = 0; round < 20_000; round++)
        {
            FillRandomly(random, words);
            int start = random.Next(Bits);
            int limit = random.Next(1, Bits - start + 1);
            bool value = random.Next(2) == 0;
            int expected = 0;
            while (expected < limit && Bitmap.IsSet(words, start + expected) == value)
                expected++;

            Assert.That(
                Bitmap.RunLength(words, start, limit, value), Is.EqualTo(expected),
                $"round {round}: from {start}, at most {limit}, {value}");
        }
    }

    [Test]
    public void The_longest_run_of_a_word_is_what_a_loop_finds()
    {
        Random random = TestRandom.Create();
        for (int round = 0; round < 20_000; round++)
        {
            uint word = RandomWord(random);
            Assert.That(Bitmap.LongestRun(word), Is.EqualTo(NaiveLongestRun(word)), $"{word:x8}");
        }

        Assert.That(Bitmap.LongestRun(0), Is.Zero);
        Assert.That(Bitmap.LongestRun(uint.MaxValue), Is.EqualTo(32));
    }

    [Test]
    public void The_lowest_run_of_a_word_is_found_for_every_length_it_has()
    {
        Random random = TestRandom.Create();
        for (int round = 0; round < 5_000; round++)
        {
            uint word = RandomWord(random);
            for (int count = 1; count <= NaiveLongestRun(word); count++)
            {
                uint mask = count == 32 ? uint.MaxValue : (1u << count) - 1;
                int expected = Enumerable.Range(0, 33 - count).First(at => (word >> at & mask) == mask);
                Assert.That(Bitmap.FindRun(word, count), Is.EqualTo(expected), $"{count} ones in {word:x8}");
            }
        }
    }

    private static void FillRandomly(Random random, ulong* words)
    {
        // Long runs of both values, across words, not white noise.
        new Span<ulong>(words, Bits / 64).Clear();
        bool value = random.Next(2) == 0;
        for (int index = 0; index < Bits; value = !value)
        {
            int run = Math.Min(random.Next(1, 2 << random.Next(7)), Bits - index);
            if (value)
                Bitmap.Set(words, index, run);

            index += run;
        }
    }

    private static uint RandomWord(Random random) =>
        (uint)random.NextInt64(1L << 32) | (random.Next(2) == 0 ? 0 : (uint)random.NextInt64(1L << 32));

    private static int NaiveFindRun(ulong* first, ulong* second, int start, int end, int count)
    {
        int run = 0;
        for (int index = start; index < end; index++)
        {
            run = Bitmap.IsSet(first, index) && Bitmap.IsSet(second, index) ? run + 1 : 0;
            if (run == count)
                return index - count + 1;
        }

        return -1;
    }

    private static int NaiveLongestRun(uint word)
    {
        int longest = 0;
        int run = 0;
        for (int bit = 0; bit < 32; bit++)
        {
            run = (word >> bit & 1) != 0 ? run + 1 : 0;
            longest = Math.Max(longest, run);
        }

        return longest;
    }
}
