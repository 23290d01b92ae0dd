using System.Runtime.InteropServices;

namespace Engine.Tests.Support;

/// <summary>The checker of addresses sees what it is there for.</summary>
internal sealed unsafe class LiveRangesTests
{
    private const int Bytes = 8 << 20;
    private LiveRanges _ranges = null!;
    private byte* _memory;

    [SetUp]
    public void Take()
    {
        _memory = (byte*)NativeMemory.AlignedAlloc(Bytes, 1 << 21);
        _ranges = new LiveRanges();
    }

    [TearDown]
    public void Give() => NativeMemory.AlignedFree(_memory);

    [TestCase(0, 100, 96, 16)]
    [TestCase(4096, 64, 4096, 64)]
    [TestCase(1 << 21, 16, 64, 6 << 20)]
    [TestCase((2 << 20) - 16, 32, 2 << 20, 16)]
    [TestCase(64, 5 << 20, 4 << 20, 3 << 20)]
    public void Overlapping_blocks_are_told_with_both_names(int first, int firstBytes, int second, int secondBytes)
    {
        _ranges.Add(_memory + first, (nuint)firstBytes, (nuint)firstBytes, "one", 11);
        Assert.That(
            () => _ranges.Add(_memory + second, (nuint)secondBytes, (nuint)secondBytes, "two", 22),
            Throws.TypeOf<AssertionException>().With.Message.Contains("'one'").And.Message.Contains(
                "operation 11").And.Message.Contains("'two'").And.Message.Contains("operation 22"));
    }

    [Test]
    public void Neighbours_and_successors_do_not_overlap()
    {
        Random random = new(TestRandom.Seed());
        for (int round = 0; round < 100; round++)
        {
            List<nint> blocks = [];
            for (int start = 0, bytes; start < Bytes; start += bytes)
            {
                bytes = Math.Min(16 * random.Next(1, 1 << random.Next(1, 19)), Bytes - start);
                _ranges.Add(_memory + start, (nuint)random.Next(1, bytes + 1), (nuint)bytes, "all", start);
                blocks.Add((nint)(_memory + start));
            }

            _ranges.CheckAll();
            blocks.ForEach(block => _ranges.Remove((void*)block));
        }
    }

    [TestCase(1)]
    [TestCase(10)]
    [TestCase(16)]
    [TestCase(1000)]
    public void Changed_contents_are_told_at_the_beginning_and_at_the_end(int bytes)
    {
        foreach (int offset in bytes < 16 ? [0] : (int[])[0, bytes - 1])
        {
            LiveRanges ranges = new();
            ranges.Add(_memory, (nuint)bytes, (nuint)bytes, "stamped", 1);
            _memory[offset] ^= 1;
            Assert.That(() =>
                ranges.Remove(_memory), Throws.TypeOf<AssertionException>().With.Message.Contains("have changed"));
            Assert.That(ranges.CheckAll, Throws.TypeOf<AssertionException>());
            _memory[offset] ^= 1;
            LiveRange old = ranges.Remove(_memory);
            byte* to = _memory + 4096;
            new Span<byte>(_memory, bytes).CopyTo(new Span<byte>(to, bytes));
            to[offset] ^= 1;
            Assert.That(
                () => ranges.Moved(old, to, (nuint)bytes, (nuint)bytes, 2),
                Throws.TypeOf<AssertionException>().With.Message.Contains("on the way"));
        }
    }
}
