using Engine.Tests.Os;
using Engine.Tests.Support;
using Silk.NET.Core.Contexts;

namespace Engine.Tests;

/// <summary>
/// A whole life of a memory, again and again, in which the first, the second, the third ... call of one OS function
/// fails, until a life passes without reaching the failure. Each failure must be a clear exception, or none where there
/// is another way; afterwards the structures hold, every block has its contents, the same step works, and at the end
/// nothing is left.
/// </summary>
internal sealed unsafe class FailureInjectionTests
{
    private const int OutOfMemory = 12;
    private const int Invalid = 22;
    private const int ReadWrite = 3;
    private static readonly nuint ReservationBytes = Size.MiB(256);
    private static readonly bool s_triesAll = Environment.GetEnvironmentVariable("ENGINE_FAILURES") == "all";

    [TestCase("mmap", OutOfMemory)]
    [TestCase("munmap", OutOfMemory)]
    [TestCase("mprotect", OutOfMemory, Category = Lane.Slow)]
    [TestCase("madvise", OutOfMemory, Category = Lane.Slow)]
    [TestCase("madvise", Invalid, Category = Lane.Slow)]
    [TestCase("mremap", OutOfMemory)]
    public void A_life_survives_the_failure_of_any_one_call(string function, int errno)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        FailedCalls.OfEach(
            $"{function}, errno {errno}",
            function,
            ReservationBytes,
            (context, call) => context.Fail(function, call, errno),
            context => new Life(context));
    }

    [TestCase("mmap", OutOfMemory)]
    [TestCase("munmap", OutOfMemory)]
    [TestCase("mprotect", OutOfMemory)]
    [TestCase("mprotect", OutOfMemory, ReadWrite)]
    [TestCase("madvise", OutOfMemory)]
    [TestCase("mremap", OutOfMemory)]
    [Category(Lane.Slow)]
    public void A_life_survives_a_step_in_which_every_call_fails(string function, int errno, int? argument = null)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        int step = 1;
        int failures = 0;
        for (bool reached = true; reached; step++)
        {
            using FailingContext context = new();
            using Life life = new(context, before => SetFailing(context, before == step));
            try
            {
                life.Run();
            }
            catch (Exception exception)
            {
                throw new AssertionException(
                    $"All calls of {function} in step {step} failed with errno {errno}, and then: {exception.Message}",
                    exception);
            }

            failures += life.Failures;
            reached = life.Steps >= step;
        }

        TestContext.Out.WriteLine($"{function}: {failures} of {step - 2} steps failed");

        void SetFailing(FailingContext context, bool fails)
        {
            context.Heal(function);
            if (fails)
                context.FailAlways(function, errno, argument);
        }
    }

    /// <summary>
    /// The Nth call and those after it fail, whatever they are: a call, what is tried instead, and what would undo it.
    /// The whole life is gone through with each N; ENGINE_FAILURES=all tries each length of the row, otherwise some.
    /// </summary>
    [Test]
    [Category(Lane.Slow)]
    public void A_life_survives_calls_in_a_row_that_fail([Values(1, 2, 3, 4, 5, 6)] int count)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        if (count is 1 or 3 or 5 && !s_triesAll)
            Assert.Ignore("with ENGINE_FAILURES=all");

        int call = 1;
        int failures = 0;
        List<string> wrong = [];
        for (bool reached = true; reached; call++)
        {
            using RefusingSystem system = new();
            using Life life = new(system);
            RefusingSystem.Refuse(call, count);
            try
            {
                life.Run();
            }
            catch (Exception exception)
            {
                wrong.Add(
                    $"Calls {call} to {call + count - 1} failed, and then: {exception.Message} {exception.StackTrace}");
            }

            failures += life.Failures;
            reached = RefusingSystem.Calls >= call;
        }

        wrong.ForEach(TestContext.Out.WriteLine);
        TestContext.Out.WriteLine(
            $"{count} in a row: {call - 2} calls in a life, {failures} of which made something fail");
        Assert.That(call, Is.GreaterThan(10), "functions are called at all");
        Assert.That(wrong, Is.Empty);
    }

    /// <summary>
    /// Threads without a cache free the blocks of others while the system refuses memory for bookkeeping: every block
    /// is freed, and no free throws.
    /// </summary>
    [Test]
    [Category(Lane.Slow)]
    public void A_free_never_fails_for_want_of_memory()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Ignore("The calls that are made to fail are Linux's.");

        using RefusingSystem system = new();
        using EngineMemory memory =
            new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = system });
        List<string> wrong = [];
        for (int call = 1; call <= 4; call++)
        {
            for (int count = 1; count <= 6; count++)
            {
                // It is not disposed, so that the metadata heap has no room to spare.
                LongLivedArena arena = memory.CreateLongLivedArena("own");
                FreeByThreadsWithoutMemory(arena, call, count, wrong);
                Assert.That(wrong, Is.Empty, $"frees while calls {call} to {call + count - 1} fail");
                Assert.That(arena.LiveBlocks(), Is.Empty, "each block was freed");
            }
        }

        memory.Validate();
    }

    private static void FreeByThreadsWithoutMemory(LongLivedArena arena, int call, int count, List<string> wrong)
    {
        List<nint> blocks = [];
        for (int bytes = 16; bytes <= 32_768; bytes += (bytes / 8) + 16)
            blocks.Add((nint)arena.Allocate((nuint)bytes));

        foreach (nint block in blocks)
        {
            Workers.Run(() =>
            {
                arena.AttachThread();
                RefusingSystem.Refuse(call, count);
                try
                {
                    arena.Free((void*)block);
                }
                catch (Exception failure) when (failure is EngineMemoryException or EngineOutOfMemoryException)
                {
                    wrong.Add(failure.Message);
                }

                RefusingSystem.Heal();
            });
        }
    }

    /// <summary>Create, prewarm, allocate small, large and huge on two threads, grow, overflow a frame, trim, reset,
    /// dispose.</summary>
    private sealed class Life(INativeContext context, Action<int>? beforeStep = null) : IFailingLife
    {
        private readonly ShadowModel _model = new();
        private EngineMemory _memory = null!;
        private LongLivedArena _arena = null!;
        private FrameArena _frame = null!;

        public int Failures { get; private set; }

        public int Steps { get; private set; }

        public void Dispose()
        {
            RefusingSystem.Heal();
            _frame?.Dispose();
            _arena?.Dispose();
            _memory?.Dispose();
        }

        public void Run()
        {
            Step(() =>
                _memory =
                new EngineMemory(
                new EngineMemoryOptions { ReservationBytes = ReservationBytes, NativeContext = context }),
                check: false);
            nint start = _memory.ReservationBase;
            Step(() => _arena = _memory.CreateLongLivedArena("life"));
            Step(() =>
                _frame =
                _memory.CreateFrameArena(
                "frame", new FrameArenaOptions { BytesPerLane = 64 * 1024, OverflowSuperSlabs = 1 }));
            Step(() => _arena.Prewarm([new BlockCount(64, 5_000), new BlockCount(3 << 20, 1)], threads: 2));
            Step(() => _arena.Prewarm([new BlockCount(1_000, 100)], threads: 2, carve: false));
            Workers.Run(2, _ =>
            {
                lock (_model)
                    AllocateAll();
            });
            Step(() => Reallocate(Size.MiB(34), Size.MiB(36)));
            Step(() => Reallocate(Size.MiB(3), Size.MiB(8)));
            Step(() => Reallocate(100_000, 130_000));
            SuperSlab.ReservedRange range = null!;
            Step(() => range = _arena.Reserve(Size.MiB(16)));
            Step(() => range.Grow(Size.MiB(2)));
            ((byte*)range.Address)[(2 << 20) - 1] = 77;
            Step(() => range.Grow(Size.MiB(8)));
            ((byte*)range.Address)[(8 << 20) - 1] = 1;
            Step(() => range.Trim(Size.MiB(2)));
            Step(() => range.Grow(Size.MiB(4)));
            Assert.That(((byte*)range.Address)[(2 << 20) - 1], Is.EqualTo(77));
            Step(() => new Span<byte>(_frame.Lane(0).Allocate(Size.MiB(1)), 1 << 20).Fill(1));
            Step(() => new Span<byte>(_frame.Lane(0).Allocate(Size.MiB(3)), 3 << 20).Fill(1));
            Step(_frame.NextFrame);
            Step(_frame.Trim);
            _model.CheckAll();
            Step(FreeHalf);
            Workers.Run(FreeOne); // which has no cache yet
            Step(_arena.Trim);
            Step(() => _memory.Trim());
            _model.CheckAll();
            _model.Clear();
            Step(_arena.Reset);
            AllocateAll();
            _model.CheckAll();
            Step(_frame.Dispose);
            Step(_arena.Dispose);
            Step(() => _memory.Trim());
            Assert.That(_memory.OwnedSuperSlabCount + _memory.ReadySuperSlabCount, Is.Zero);
            long absent = _memory.PagesThatWouldFault(start, _arena.MaximumBytes);
            Assert.That(
                absent, Is.EqualTo(-1).Or.EqualTo((long)_arena.MaximumBytes / Environment.SystemPageSize),
                "resident memory is back");
            Step(_memory.Dispose, check: false);
            MemoryMap.AssertIsGone(_memory);
        }

        /// <summary>A step that fails does so clearly, leaves everything in order, and works when it is done
        /// again.</summary>
        private void Step(Action step, bool check = true)
        {
            beforeStep?.Invoke(++Steps);
            try
            {
                step();
            }
            catch (Exception exception) when (exception is EngineOutOfMemoryException or EngineMemoryException)
            {
                beforeStep?.Invoke(0);
                RefusingSystem.Heal();
                Assert.That(exception.Message, Has.Length.GreaterThan(30));
                Failures++;
                if (check)
                    _memory.Validate();

                step();
            }

            beforeStep?.Invoke(0);
            if (check)
                _memory.Validate();
        }

        private void AllocateAll()
        {
            foreach (nuint bytes in (nuint[])[16, 64, 1_000, 100_000, 1 << 20, 3 << 20, 34 << 20])
                Step(() => Allocate(bytes));
        }

        private void FreeHalf()
        {
            for (int count = _model.Count / 2; count > 0; count--)
                FreeOne();
        }

        private void FreeOne()
        {
            void* block = _model.Pick(new Random(_model.Count), out _);
            _model.Remove(block);
            Free(block);
        }

        /// <summary>A free needs no memory of the system, so it never fails for want of it.</summary>
        private void Free(void* block)
        {
            try
            {
                _arena.Free(block);
            }
            catch (Exception failure) when (failure is EngineMemoryException or EngineOutOfMemoryException)
            {
                throw new AssertionException($"a free failed: {failure}", failure);
            }
        }

        private void Allocate(nuint bytes) => _model.Add(_arena.Allocate(bytes), nuint.Min(bytes, 5_000));

        /// <summary>Changes the size of a block of its own beside a neighbour, so that it must move, pages and all, or
        /// be copied.</summary>
        private void Reallocate(nuint bytes, nuint newBytes)
        {
            void* block = _arena.Allocate(bytes);
            void* neighbour = null;
            try
            {
                ((byte*)block)[bytes - 1] = 77;
                neighbour = _arena.Allocate(bytes);
                void* moved = _arena.Reallocate(block, newBytes);
                block = moved;
                Assert.That(((byte*)block)[bytes - 1], Is.EqualTo(77));
                ((byte*)block)[newBytes - 1] = 1;
            }
            finally
            {
                Assert.That(((byte*)block)[bytes - 1], Is.EqualTo(77));
                Free(neighbour);
                Free(block);
            }
        }
    }
}
