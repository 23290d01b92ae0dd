using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed unsafe class FrameLaneTests : FrameFixture
{
    [Test]
    public void Every_power_of_two_up_to_2_MiB_is_kept_as_alignment()
    {
        ShadowModel model = new();
        for (int round = 0; round < 2; round++)
        {
            for (nuint alignment = 1; alignment <= FrameLane.MaximumAlignment; alignment *= 2)
            {
                foreach (nuint bytes in (nuint[])[1, 17, 1_000, alignment + 1])
                {
                    model.Add(Arena.Lane(0).Allocate(bytes, alignment), bytes, nuint.Max(alignment, 16));
                    model.Add(Arena.Lane(0).Allocate(3), 3);
                }
            }

            model.CheckAll();
            model.Clear();
            Arena.NextFrame();
        }
    }

    [Test]
    public void Typed_forms_have_room_for_their_elements()
    {
        FrameLane lane = Arena.Lane(0);
        Guid* one = lane.Allocate<Guid>();
        *one = Guid.AllBitsSet;
        Span<int> span = lane.AllocateSpan<int>(1_000);
        span.Fill(5);
        var grid = lane.AllocateSpan2D<short>(20, 30);
        grid.Fill(6);
        Assert.That(*one, Is.EqualTo(Guid.AllBitsSet));
        Assert.That(span.IndexOfAnyExcept(5), Is.EqualTo(-1));
        Assert.That(grid.Length, Is.EqualTo((nint)600));
        Assert.That(lane.AllocateSpan<int>(0).Length, Is.Zero);
    }

    [Test]
    public void Zeroed_memory_is_zero_although_the_buffer_is_dirty()
    {
        for (int frame = 0; frame < 4; frame++)
        {
            FrameLane lane = Arena.Lane(0);
            Assert.That(
                new ReadOnlySpan<byte>(lane.AllocateZeroed(50_000), 50_000).IndexOfAnyExcept((byte)0), Is.EqualTo(-1));
            Assert.That(
                new ReadOnlySpan<byte>(lane.AllocateZeroed(500_000), 500_000).IndexOfAnyExcept((byte)0),
                Is.EqualTo(-1), "in overflow");
            Arena.NextFrame();
            new Span<byte>(Arena.Lane(0).Allocate(200_000), 200_000).Fill(0xFF);
            new Span<byte>(Arena.Lane(0).Allocate(600_000), 600_000).Fill(0xFF);
            Arena.NextFrame();
            new Span<byte>(Arena.Lane(0).Allocate(200_000), 200_000).Fill(0xFF);
            new Span<byte>(Arena.Lane(0).Allocate(600_000), 600_000).Fill(0xFF);
            Arena.NextFrame();
        }
    }

    [Test]
    public void Exactly_the_lanes_bytes_fit_without_overflow()
    {
        FrameLane lane = Arena.Lane(0);
        lane.Allocate(Arena.LaneBytes - 16);
        lane.Allocate(16);
        lane.Allocate(0);
        Assert.That(Arena.OverflowCount, Is.Zero);
        Assert.That(lane.UsedBytes, Is.EqualTo(Arena.LaneBytes));
        lane.Allocate(1);
        Assert.That(Arena.OverflowCount, Is.EqualTo(1));
    }

    [Test]
    public void Sizes_and_alignments_out_of_range_are_refused_and_nothing_changes()
    {
        Arena.Lane(0).Allocate(100);
        nuint used = Arena.Lane(0).UsedBytes;
        foreach (nuint bytes in (nuint[])[nuint.MaxValue, nuint.MaxValue - 15, nuint.MaxValue / 2, Size.GiB(5)])
        {
            Assert.That(() => Arena.Lane(0).Allocate(bytes), Throws.TypeOf<ArgumentOutOfRangeException>(), $"{bytes}");
            Assert.That(() =>
                Arena.Lane(0).Allocate(bytes, 4096), Throws.TypeOf<ArgumentOutOfRangeException>(), $"{bytes}");
        }

        Assert.That(() =>
            Arena.Lane(0).Allocate(Size.MiB(4090)),
            Throws.TypeOf<EngineOutOfMemoryException>().Or.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => { Arena.Lane(0).AllocateSpan<int>(-1); }, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => { Arena.Lane(0).AllocateSpan2D<int>(-1, 2); }, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(
            () => { Arena.Lane(0).AllocateSpan2D<Guid>(int.MaxValue, int.MaxValue); },
            Throws.TypeOf<ArgumentOutOfRangeException>());
        foreach (nuint alignment in (nuint[])[0, 3, 24, Size.MiB(4)])
            Assert.That(() => Arena.Lane(0).Allocate(1, alignment), Throws.ArgumentException);

        Assert.That(Arena.Lane(0).UsedBytes, Is.EqualTo(used));
    }

    [Test]
    public void Random_allocations_marks_and_rewinds_keep_live_blocks_whole()
    {
        Random random = TestRandom.Create();
        for (int frame = 0; frame < 8; frame++)
        {
            Nest(random, Arena.Lane(0), new ShadowModel(), depth: 0);
            Memory.Validate();
            Arena.NextFrame();
        }

        static void Nest(Random random, FrameLane lane, ShadowModel outer, int depth)
        {
            for (int step = 0; step < 30; step++)
            {
                nuint bytes = random.NextSize(random.Next(12) == 0 ? 21 : 13);
                nuint alignment = (nuint)16 << random.Next(9);
                outer.Add(lane.Allocate(bytes, alignment), bytes, alignment);
                if (depth < 3 && random.Next(10) == 0)
                {
                    FrameMark mark = lane.Mark();
                    nuint used = lane.UsedBytes;
                    ShadowModel inner = new();
                    Nest(random, lane, inner, depth + 1);
                    inner.CheckAll();
                    lane.Rewind(mark);
                    Assert.That(lane.UsedBytes, Is.EqualTo(used));
                }
            }

            outer.CheckAll();
        }
    }
}
