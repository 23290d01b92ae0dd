using Engine.Tests.Support;

namespace Engine.Tests.Checks;

/// <summary>Misuse of every kind, each named by a sentence that says which block, which arena, which thread and what
/// was done to it.</summary>
internal sealed unsafe class FullChecksTests
{
    private readonly List<string> _reports = [];
    private EngineMemory _memory = null!;
    private LongLivedArena _arena = null!;

    [SetUp]
    public void MakeArena()
    {
        _reports.Clear();
        Make(new CheckSettings { GuardOneIn = 0, Report = _reports.Add });
    }

    [TearDown]
    public void DisposeAll()
    {
        _arena.Dispose();
        _memory.Dispose();
    }

    [Test]
    public void Fresh_and_freed_memory_is_filled_and_the_contents_are_kept_meanwhile()
    {
        foreach (nuint bytes in (nuint[])[1, 16, 100, 5_000, 70_000, 3 << 20, 40 << 20])
        {
            byte* block = (byte*)_arena.Allocate(bytes);
            Assert.That((block[0], block[bytes - 1]), Is.EqualTo((CheckedBlocks.Fresh, CheckedBlocks.Fresh)));
            new Span<byte>(block, (int)bytes).Fill(7);
            byte* grown = (byte*)_arena.Reallocate(block, bytes * 2);
            Assert.That(
                (grown[0], grown[bytes - 1], grown[bytes]), Is.EqualTo(((byte)7, (byte)7, CheckedBlocks.Fresh)));
            Assert.That(
                (block[0], block[bytes - 1]), Is.EqualTo((CheckedBlocks.Freed, CheckedBlocks.Freed)),
                "the old block is in quarantine");
            Assert.That(_arena.UsableBytes(grown), Is.EqualTo(bytes * 2), "not one byte more than was asked for");
            byte* zeroed = (byte*)_arena.AllocateZeroed(bytes);
            Assert.That(new Span<byte>(zeroed, (int)bytes).IndexOfAnyExcept((byte)0), Is.Negative);
            _arena.Free(grown);
            _arena.Free(zeroed);
        }

        _memory.Validate();
    }

    [Test]
    public void Blocks_are_aligned_as_asked([Values(0, 1)] int guardOneIn)
    {
        Make(new CheckSettings { GuardOneIn = guardOneIn, GuardFromBytes = 1 << 16, QuarantineBytes = 1 << 20 });
        foreach (nuint bytes in (nuint[])[1, 33, 4_000, 70_000, 3 << 20])
        {
            for (nuint alignment = 16; alignment <= LongLivedArena.MaximumAlignment; alignment *= 2)
            {
                byte* block = (byte*)_arena.Allocate(bytes, alignment);
                Assert.That((ulong)block % alignment, Is.Zero, $"{bytes} bytes at {alignment}");
                new Span<byte>(block, (int)bytes).Fill(1);
                _arena.Free(block);
            }
        }

        _memory.Validate();
    }

    [Test]
    public void A_block_freed_twice_is_told_with_both_frees([Values(0, 100)] int between)
    {
        void* block = _arena.Allocate(48);
        _arena.Free(block);
        for (int index = 0; index < between; index++)
            _arena.Free(_arena.Allocate(48));

        Refused(() =>
            _arena.Free(block), "'checked'", "the block of 48 bytes", "was freed twice: first by thread", "in call 2",
            $"in call {3 + (2 * between)}", "It was allocated by");
        _memory.Validate();
    }

    [Test]
    public void A_block_freed_twice_is_told_also_when_its_memory_has_left_the_quarantine()
    {
        Make(new CheckSettings { GuardOneIn = 0, QuarantineBytes = 0 });
        void* block = _arena.Allocate(48);
        void* neighbour = _arena.Allocate(48);
        _arena.Free(block);
        Refused(() => _arena.Free(block), "was freed twice");
        _arena.Free(neighbour);
    }

    [Test]
    public void A_write_past_the_end_is_told_at_the_free([Values(0, 1, 15)] int distance)
    {
        byte* block = (byte*)_arena.Allocate(100);
        block[100 + distance] = 0x41;
        Refused(() =>
            _arena.Free(block),
            $"memory {Sizes.Text((nuint)distance + 1)} past its end was written of the block of 100 bytes",
            "0x41 stands at", "allocated by thread", "and freed by thread");
        _memory.Validate();
        Refused(() => _arena.Free(block), "was freed twice");
    }

    [Test]
    public void A_write_past_the_end_is_told_by_a_validation_while_the_block_lives()
    {
        byte* block = (byte*)_arena.Allocate(100);
        block[100] = 0x41;
        Refused(_memory.Validate, "past its end", "the block of 100 bytes");
        block[100] = CheckedBlocks.Zone;
        _memory.Validate();
    }

    [Test]
    public void A_write_before_the_beginning_is_told_where_a_red_zone_stands_there()
    {
        Make(new CheckSettings { GuardOneIn = 1 });
        byte* block = (byte*)_arena.Allocate(100);
        block[-3] = 0x42;
        Refused(() => _arena.Free(block), "memory 3 bytes before its beginning was written", "0x42");
    }

    [Test]
    [LeavesDamage("the block that was written stays in the quarantine")]
    public void A_write_after_the_free_is_told_by_a_validation_and_when_the_memory_is_used_again()
    {
        byte* block = (byte*)_arena.Allocate(100);
        _arena.Free(block);
        block[10] = 0x43;
        Refused(_memory.Validate, "the block of 100 bytes",
            "was written after it was freed: 0x43 stands 10 bytes from its beginning", "and freed by");
        Make(new CheckSettings { GuardOneIn = 0, QuarantineBytes = 1_000 });
        block = (byte*)_arena.Allocate(100);
        _arena.Free(block);
        block[10] = 0x43;
        Refused(
            () =>
            {
                for (int index = 0; index < 100; index++)
                    _arena.Free(_arena.Allocate(100));
            },
            "was written after it was freed");
    }

    [Test]
    public void An_address_inside_a_block_is_told_with_its_block()
    {
        byte* block = (byte*)_arena.Allocate(100);
        Refused(() =>
            _arena.Free(block + 32), "was to be freed", "lies 32 bytes from the beginning of the block of 100 bytes",
            "only the address that the allocation returned");
        Refused(() => _arena.Reallocate(block + 32, 10), "was to be used", "32 bytes from the beginning");
        _arena.Free(block);
    }

    [Test]
    public void A_freed_block_that_is_used_is_told()
    {
        void* block = _arena.Allocate(100);
        _arena.Free(block);
        Refused(() => _arena.Reallocate(block, 200), "was freed by thread", "and is used by thread");
        Refused(() => _arena.UsableBytes(block), "was freed by thread");
    }

    [Test]
    public void An_address_that_never_was_a_block_is_told()
    {
        byte* block = (byte*)_arena.Allocate(100);
        Refused(() =>
            _arena.Free(block + 4_096),
            "is no block of arena 'checked': none that is live, and none of those freed lately");
        int local = 0;
        nint foreign = (nint)(&local);
        Refused(() => _arena.Free((void*)foreign), "does not belong to the engine's memory");
        _arena.Free(block);
    }

    [Test]
    public void A_block_of_another_arena_is_told_by_its_name()
    {
        using LongLivedArena other = _memory.CreateLongLivedArena("other");
        void* block = other.Allocate(100);
#pragma warning disable SSE0006 // The block is another arena's on purpose.
        Refused(() => _arena.Free(block), "belongs to arena 'other'", "'checked'");
#pragma warning restore SSE0006
        other.Free(block);
    }

    [Test]
    public void A_block_that_a_reset_threw_away_is_told()
    {
        void* block = _arena.Allocate(100);
        _arena.Reset();
        Refused(() => _arena.Free(block), "is no block of arena 'checked'");
    }

    [Test]
    public void A_reset_tells_what_was_damaged_and_is_done_all_the_same()
    {
        byte* block = (byte*)_arena.Allocate(100);
        block[100] = 1;
        Refused(_arena.Reset, "past its end");
        _memory.Validate();
        Assert.That(_arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void A_handle_of_another_thread_is_told()
    {
        // Smuggled past the language, as unsafe code could.
        Workers.Run(() =>
        {
            nint cache = (nint)_arena.AttachedCache();
            Workers.Run(() => Refused(() =>
                new ArenaHandle(_arena, (ThreadCache*)cache).Allocate(10), "was used by another thread"));
        });
    }

    [Test]
    public void A_disposed_arena_is_told()
    {
        void* block = _arena.Allocate(100);
        _arena.Dispose();
        Assert.That(() => _arena.Free(block), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => _arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void What_is_left_and_what_is_damaged_is_reported_at_dispose([Values] bool callStacks)
    {
        Make(new CheckSettings { GuardOneIn = 0, CallStacks = callStacks, Report = _reports.Add });
        using (AllocationTag.Register("terrain").Begin())
        {
            _arena.Allocate(300);
            ((byte*)_arena.Allocate(300))[300] = 9;
        }

        _arena.Dispose();
        Assert.That(_reports, Has.Count.EqualTo(2 + (callStacks ? 1 : 0)));
        Assert.That(_reports[0], Does.Contain("past its end").And.Contain("tag 'terrain'"));
        Assert.That(
            _reports[1],
            Does.Contain(callStacks ? "with 1 live block of" : "with 2 live blocks of").And.Contain(
            "of 300 bytes").And.Contain("tag 'terrain'"));
        Assert.That(
            _reports[1].Contains(
            nameof(What_is_left_and_what_is_damaged_is_reported_at_dispose), StringComparison.Ordinal),
            Is.EqualTo(callStacks));
    }

    [Test]
    public void Nothing_is_reported_of_an_arena_that_is_clean()
    {
        _arena.Free(_arena.Allocate(300));
        _arena.Dispose();
        Assert.That(_reports, Is.Empty);
    }

    [Category(Os.Machine.NeedsRealKernel)]
    [Test]
    public void The_page_behind_a_large_block_cannot_be_accessed_until_it_is_freed()
    {
        Assume.That(MemoryMap.IsReadable);
        Make(new CheckSettings { QuarantineBytes = 0 });
        byte* block = (byte*)_arena.Allocate(100_000);
        nuint page = ((nuint)block + 100_000 + 16 + 4_095) & ~(nuint)4_095;
        Assert.That(page - ((nuint)block + 100_000), Is.LessThan((nuint)48), "the block ends right before it");
        Assert.That(MemoryMap.AnswersReads((nint)page), Is.False);
        Assert.That(MemoryMap.AnswersReads((nint)page - 1), Is.True);
        _arena.Free(block);
        Assert.That(MemoryMap.AnswersReads((nint)page), Is.True);
        block = (byte*)_arena.Allocate(100_000);
        _arena.Dispose();
        using LongLivedArena next = _memory.CreateLongLivedArena("next");
        new Span<byte>(next.Allocate(4 << 20), 4 << 20).Clear();
    }

    [Test]
    public void Frame_memory_that_is_written_after_its_frame_is_told(
        [Values(1, 2, 3)] int buffers, [Values] bool overflow)
    {
        using FrameArena frames =
            _memory.CreateFrameArena(
            "frames", new FrameArenaOptions { BufferCount = buffers, BytesPerLane = 8_192, LaneCount = 2 });
        for (int frame = 0; frame < 7; frame++)
        {
            byte* memory = (byte*)frames.Lane(1).Allocate(overflow ? 100_000u : 100u);
            new Span<byte>(memory, 100).Fill(1);
            for (int live = 1; live < buffers; live++)
            {
                frames.NextFrame();
                memory[50] = 2; // still within its life
            }

            frames.NextFrame();
            frames.Validate();
            memory[50] = 0x44;
            Refused(frames.Validate, "lane 1 of frame arena 'frames' was written after its frame", "0x44");
            Refused(frames.NextFrame, "was written after its frame", $"may be used for {buffers} frames");
            frames.NextFrame();
        }
    }

    [Test]
    public void A_mark_of_an_earlier_frame_is_told()
    {
        using FrameArena frames = _memory.CreateFrameArena("frames");
        FrameLane lane = frames.Lane(0);
        FrameMark mark = lane.Mark();
        frames.NextFrame();
        try
        {
            frames.Lane(0).Rewind(mark);
            Assert.Fail("a mark of another frame was taken");
        }
        catch (EngineMemoryException exception)
        {
            Assert.That(exception.Message, Does.Contain("mark of another lane or frame"));
        }
    }

    [Test]
    public void Sizes_and_alignments_that_are_impossible_are_refused()
    {
        Assert.That(() => _arena.Allocate(nuint.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => _arena.Allocate(10, 48), Throws.ArgumentException);
        Assert.That(() => _arena.Allocate(_arena.MaximumBytes - 4_096), Throws.TypeOf<EngineOutOfMemoryException>());
        _memory.Validate();
    }

    [Test]
    public void Threads_may_do_everything_at_once()
    {
        Make(new CheckSettings { QuarantineBytes = 1 << 20 });
        int left = RandomUse.ByThreads(_arena, steps: 3_000, sharedBlocks: 64, largest: 200_000);
        _memory.Validate();
        Assert.That(_arena.LiveBlocks().Sum(block => block.Count), Is.EqualTo(left));
    }

    private static void Refused(Action misuse, params string[] sentences)
    {
        EngineMemoryException? told = Assert.Throws<EngineMemoryException>(() => misuse());
        foreach (string sentence in sentences)
            Assert.That(told!.Message, Does.Contain(sentence));
    }

    private void Make(CheckSettings settings)
    {
        _memory?.Dispose();
        _memory =
            new EngineMemory(
            new EngineMemoryOptions
            {
                ReservationBytes = Size.GiB(1),
                Checks = MemoryChecks.Full,
                CheckSettings = settings
            });
        _arena = _memory.CreateLongLivedArena("checked");
    }
}
