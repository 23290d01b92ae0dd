using Engine.Tests.Support;

namespace Engine.Tests.Api;

internal sealed unsafe class FrameScopeTests : FrameFixture
{
    [Test]
    public void What_a_scope_allocated_is_gone_at_its_end()
    {
        FrameLane lane = Arena.Lane(0);
        lane.Allocate(100);
        nuint used = lane.UsedBytes;
        nint first;
        using (lane.BeginScope())
        {
            first = (nint)lane.Allocate(500);
            lane.Allocate(1_000_000); // overflows
        }

        Assert.That(lane.UsedBytes, Is.EqualTo(used));
        Assert.That((nint)lane.Allocate(500), Is.EqualTo(first));
    }

    [Test]
    public void Scopes_nest()
    {
        FrameLane lane = Arena.Lane(0);
        nint inOuter;
        nint inInner;
        using (lane.BeginScope())
        {
            lane.Allocate(10);
            using (lane.BeginScope())
            {
                inInner = (nint)lane.Allocate(10);
            }

            inOuter = (nint)lane.Allocate(10);
        }

        Assert.That(inOuter, Is.EqualTo(inInner));
        Assert.That(lane.UsedBytes, Is.EqualTo((nuint)0));
    }

    [Test]
    public void Scopes_cost_nothing()
    {
        Run(Arena);
        Assert.That(HotLoopCost.BestOf(5, () => HotLoopCost.Of(Memory, () =>
            Run(Arena))), Is.EqualTo(HotLoopCost.Nothing));

        static void Run(FrameArena arena)
        {
            for (int round = 0; round < 1_000; round++)
            {
                FrameLane lane = arena.Lane(0);
                using (lane.BeginScope())
                {
                    *(int*)lane.Allocate(1_000) = 1;
                }
            }
        }
    }

    [Test]
    public void The_high_water_mark_counts_what_scopes_gave_back()
    {
        FrameLane lane = Arena.Lane(0);
        using (lane.BeginScope())
        {
            lane.Allocate(50_000);
        }

        Assert.That(Arena.HighWaterBytes(0), Is.GreaterThanOrEqualTo((nuint)50_000));
    }

    [Test]
    public void A_mark_of_another_frame_is_refused()
    {
        FrameMark mark = Arena.Lane(0).Mark();
        Arena.NextFrame();
        Assert.That(() =>
            Arena.Lane(0).Rewind(mark),
            Throws.TypeOf<EngineMemoryException>().With.Message.Contains("another lane or frame"));
        Arena.NextFrame();
        Assert.That(() =>
            Arena.Lane(0).Rewind(mark), Throws.TypeOf<EngineMemoryException>(),
            "the same buffer, but not the same frame");
    }

    [Test]
    public void A_mark_of_another_lane_or_of_none_is_refused()
    {
        FrameMark mark = Arena.Lane(1).Mark();
        Assert.That(() => Arena.Lane(0).Rewind(mark), Throws.TypeOf<EngineMemoryException>());
        Assert.That(() => Arena.Lane(0).Rewind(default), Throws.TypeOf<EngineMemoryException>());
    }

    [Test]
    public void A_mark_that_lies_ahead_is_refused()
    {
        FrameMark early = Arena.Lane(0).Mark();
        Arena.Lane(0).Allocate(1_000);
        FrameMark late = Arena.Lane(0).Mark();
        Arena.Lane(0).Rewind(early);
        Assert.That(() =>
            Arena.Lane(0).Rewind(late), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("lies ahead"));
        Assert.That(() => Arena.Lane(0).Rewind(early), Throws.Nothing, "the same mark may be used again");
    }

    [Test]
    public void A_mark_into_overflow_that_was_trimmed_is_refused()
    {
        FrameMark early = Arena.Lane(0).Mark();
        Arena.Lane(0).Allocate(1_000_000);
        FrameMark late = Arena.Lane(0).Mark();
        Arena.Lane(0).Rewind(early);
        Arena.Trim();
        Assert.That(() => Arena.Lane(0).Rewind(late), Throws.TypeOf<EngineMemoryException>());
        Memory.Validate();
    }

    [Test]
    public void A_scope_that_outlives_its_frame_says_so()
    {
        Assert.That(
            () =>
            {
                using FrameScope scope = Arena.Lane(0).BeginScope();
                Arena.NextFrame();
            },
            Throws.TypeOf<EngineMemoryException>());
    }
}
