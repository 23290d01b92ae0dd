using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>A mark is refused if the lane was rewound to a position below it since it was taken, and only
/// then.</summary>
internal sealed unsafe class FrameMarkTests : FrameFixture
{
    [Test]
    public void A_stale_mark_is_refused_although_the_lane_has_come_as_far_again()
    {
        FrameLane lane = Arena.Lane(0);
        FrameMark early = lane.Mark();
        lane.Allocate(1_000);
        FrameMark late = lane.Mark();
        lane.Rewind(early);
        byte* live = (byte*)lane.Allocate(2_000);
        new Span<byte>(live, 2_000).Fill(7);
        Assert.That(() =>
            Arena.Lane(0).Rewind(late), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("stale"));
        new Span<byte>(Arena.Lane(0).Allocate(2_000), 2_000).Fill(8);
        Assert.That(new Span<byte>(live, 2_000).IndexOfAnyExcept((byte)7), Is.Negative, "the live block is whole");
    }

    [Test]
    public void A_scope_whose_beginning_was_rewound_over_says_so()
    {
        Assert.That(
            () =>
            {
                FrameLane lane = Arena.Lane(0);
                FrameMark early = lane.Mark();
                lane.Allocate(100);
                using FrameScope scope = lane.BeginScope();
                lane.Rewind(early);
                lane.Allocate(5_000);
            },
            Throws.TypeOf<EngineMemoryException>());
    }

    /// <summary>Marks of all ages are used in any order, many of them at the same place; a list of all rewinds says
    /// which are stale.</summary>
    [Test]
    public void Marks_in_any_order_are_refused_exactly_if_they_are_stale()
    {
        Random random = TestRandom.Create();
        for (int frame = 0; frame < 60; frame++)
        {
            int returns = random.Next(1, 40);
            bool overflows = random.Next(2) == 0;
            List<(FrameMark Mark, nuint Position, int Time)> marks = [];
            List<nuint> rewinds = [];
            List<(nint Address, int Bytes, byte Value, nuint Position)> blocks = [];
            for (int step = 0; step < 1_500; step++)
            {
                FrameLane lane = Arena.Lane(0);
                if (random.Next(3) == 0)
                {
                    marks.Add((lane.Mark(), lane.UsedBytes, rewinds.Count));
                }
                else if (marks.Count != 0 && random.Next(returns) == 0)
                {
                    // Of the last marks more often, else the lane would hardly get anywhere.
                    int back = random.Next(4) == 0 ? random.Next(marks.Count) : random.Next(Math.Min(marks.Count, 5));
                    (FrameMark mark, nuint position, int time) = marks[marks.Count - 1 - back];
                    bool stale = rewinds.Skip(time).Any(rewound => rewound < position);
                    nuint used = lane.UsedBytes;
                    Assert.That(Accepts(lane, mark), Is.EqualTo(!stale), $"frame {frame}, step {step}");
                    Assert.That(lane.UsedBytes, Is.EqualTo(stale ? used : position));
                    if (!stale)
                    {
                        rewinds.Add(position);
                        blocks.RemoveAll(block => block.Position >= position);
                    }
                }
                else
                {
                    int bytes = (int)random.NextSize(overflows ? random.Next(40) == 0 ? 21 : 14 : 6);
                    nuint alignment = overflows ? (nuint)16 << random.Next(8) : 16;
                    nuint position = lane.UsedBytes;
                    void* block = lane.Allocate((nuint)(bytes / 2), alignment);
                    new Span<byte>(block, bytes / 2).Fill((byte)step);
                    blocks.Add(((nint)block, bytes / 2, (byte)step, position));
                }
            }

            foreach ((nint address, int bytes, byte value, _) in blocks)
                Assert.That(new ReadOnlySpan<byte>((void*)address, bytes).IndexOfAnyExcept(value), Is.Negative);

            Arena.Validate();
            Arena.NextFrame();
        }
    }

    [Test]
    public void A_mark_at_the_end_of_a_chunk_and_one_in_the_next_are_told_apart()
    {
        FrameLane lane = Arena.Lane(0);
        lane.Allocate(Arena.LaneBytes - 16);
        lane.Allocate(16);
        FrameMark end = lane.Mark();
        lane.Allocate(0, Size.MiB(2)); // does not fit: the place of no bytes lies in the next chunk
        FrameMark next = lane.Mark();
        lane.Rewind(end);
        // in another chunk, for which the one that the mark lies in was dropped
        byte* live = (byte*)lane.Allocate(Size.MiB(3));
        *live = 1;
        Assert.That(() => Arena.Lane(0).Rewind(next), Throws.TypeOf<EngineMemoryException>());
        Arena.Lane(0).Rewind(end);
        Assert.That(Arena.Lane(0).UsedBytes, Is.EqualTo(Arena.LaneBytes));
    }

    [Test]
    public void Thousands_of_scopes_with_memory_behind_them_are_had_again_at_no_cost()
    {
        Run(Arena);
        Arena.NextFrame();
        Arena.NextFrame();
        nuint metadata = Memory.Reservation.Heap.ResidentBytes;
        Assert.That(
            HotLoopCost.BestOf(5, () => HotLoopCost.Of(Memory, () =>
            {
                Run(Arena);
                Arena.NextFrame();
                Arena.NextFrame();
            })),
            Is.EqualTo(HotLoopCost.Nothing));
        Assert.That(Memory.Reservation.Heap.ResidentBytes, Is.EqualTo(metadata));

        static void Run(FrameArena arena)
        {
            FrameLane lane = arena.Lane(0);
            FrameMark first = lane.Mark();
            for (int round = 0; round < 10_000; round++)
            {
                FrameScope outer = lane.BeginScope();
                lane.Allocate(16);
                FrameScope inner = lane.BeginScope();
                lane.Allocate(16);
                inner.Dispose();
                outer.Dispose();
                *(int*)lane.Allocate(16) = round;
            }

            lane.Rewind(first);
        }
    }

    [Test]
    public void Marks_of_thousands_of_scopes_stay_valid_and_their_inner_ones_stale()
    {
        FrameLane lane = Arena.Lane(0);
        FrameMark[] outer = new FrameMark[5_000];
        FrameMark[] inner = new FrameMark[outer.Length];
        for (int round = 0; round < outer.Length; round++)
        {
            lane.Allocate(16);
            outer[round] = lane.Mark();
            lane.Allocate(16);
            inner[round] = lane.Mark();
            lane.Rewind(outer[round]);
            lane.Allocate(32);
        }

        Arena.Validate();
        for (int round = outer.Length - 1; round >= 0; round--)
        {
            Assert.That(Accepts(Arena.Lane(0), inner[round]), Is.False, $"inner {round}");
            if (round % 3 == 0)
                Assert.That(Accepts(Arena.Lane(0), outer[round]), Is.True, $"outer {round}");
        }
    }

    [Test]
    public void A_mark_of_an_arena_whose_tables_another_has_now_is_refused()
    {
        FrameArenaOptions options = new() { LaneCount = 3, BytesPerLane = 8192 };
        FrameArena gone = Memory.CreateFrameArena("gone", options);
        gone.Lane(1).Allocate(64);
        FrameMark mark = gone.Lane(1).Mark();
        gone.Dispose();
        using FrameArena next = Memory.CreateFrameArena("next", options);
        for (int lane = 0; lane < 3; lane++)
        {
            next.Lane(lane).Allocate(128);
            Assert.That(Accepts(next.Lane(lane), mark), Is.False);
            Assert.That(Accepts(next.Lane(lane), default), Is.False);
            Assert.That(next.Lane(lane).UsedBytes, Is.EqualTo((nuint)128));
        }
    }

    [Test]
    public void A_lane_of_a_disposed_arena_neither_marks_nor_rewinds()
    {
        FrameArena arena = Memory.CreateFrameArena("gone");
        FrameLane lane = arena.Lane(0);
        FrameMark mark = lane.Mark();
        FrameScope scope = lane.BeginScope();
        arena.Dispose();
        int told = 0;
        for (int use = 0; use < 3; use++)
        {
            try
            {
                switch (use)
                {
                    case 0:
#pragma warning disable SSE0001 // It throws.
                        lane.Mark();
#pragma warning restore SSE0001
                        break;
                    case 1:
                        lane.Rewind(mark);
                        break;
                    default:
                        scope.Dispose();
                        break;
                }
            }
            catch (ObjectDisposedException)
            {
                told++;
            }
        }

        Assert.That(told, Is.EqualTo(3));
    }

    [Test]
    public void A_mark_without_metadata_fails_and_changes_nothing_and_scopes_end_all_the_same()
    {
        using LowerLayers layers = new();
        using FrameArena arena =
            new("marks", new FrameArenaOptions(), layers.Reservation, layers.Pool, layers.Heap, new ArenaRegistry(),
            null);
        FrameMark first = arena.Lane(0).Mark();
        TakeAllMetadata(layers);
        Stack<FrameMark> marks = new();
        bool failed = false;
        for (int round = 0; round < 100_000 && !failed; round++)
        {
            nuint used = arena.Lane(0).UsedBytes;
            try
            {
                FrameMark outer = arena.Lane(0).Mark();
                arena.Lane(0).Allocate(16);
                _ = arena.Lane(0).Mark();
                arena.Lane(0).Rewind(outer);
                arena.Lane(0).Allocate(32);
                marks.Push(outer);
            }
            catch (EngineOutOfMemoryException)
            {
                Assert.That(arena.Lane(0).UsedBytes, Is.EqualTo(used).Or.EqualTo(used + 16));
                failed = true;
            }
        }

        Assert.That(failed, "the metadata has an end");
        arena.Validate();
        while (marks.TryPop(out FrameMark outer))
            Assert.That(Accepts(arena.Lane(0), outer), Is.True);

        Assert.That(Accepts(arena.Lane(0), first), Is.True);
        arena.Validate();
    }

    private static void TakeAllMetadata(LowerLayers layers)
    {
        for (nuint bytes = MetadataHeap.LargestBytes; bytes >= 1024; bytes /= 2)
        {
            try
            {
                while (true)
                    layers.Heap.Allocate(bytes);
            }
            catch (EngineOutOfMemoryException)
            {
                // The next smaller size.
            }
        }
    }

    private static bool Accepts(FrameLane lane, FrameMark mark)
    {
        try
        {
            lane.Rewind(mark);
            return true;
        }
        catch (EngineMemoryException)
        {
            return false;
        }
    }
}
