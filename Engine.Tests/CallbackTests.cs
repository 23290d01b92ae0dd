using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>
/// Each function of the user's that the engine calls, at each place where it calls it, does each thing that a user may
/// do there: it throws, it uses the memory, it disposes something else, it waits for another thread that uses the
/// memory. Afterwards every block has its contents, the structures hold, and nothing is left when all is disposed. A
/// call that waits for itself is found by its time: a test that passes waits for nothing.
/// </summary>
internal sealed unsafe class CallbackTests
{
    private static readonly TimeSpan s_hang = TimeSpan.FromSeconds(20);

    public enum Site
    {
        PrewarmProgress,
        FrameProgress,
        SceneProgress,
        OverflowOfSlab,
        OverflowOfExtent,
        OverflowOfGrowth,
        OverflowOfPrewarm,
        OverflowOfSpares,
        CheckReport,
        WorkerJob,
    }

    public enum Deed
    {
        Throws,
        UsesTheSameArena,
        UsesAnotherArena,
        DisposesAnotherArena,
        WaitsForASnapshot,
        WaitsForAnAllocation,
        WaitsForATrim,
        WaitsForADisposal,
    }

    private static IEnumerable<TestCaseData> Cases() =>
        from site in Enum.GetValues<Site>()
        from deed in Enum.GetValues<Deed>()
            // which is being disposed
        where (site, deed) is not (Site.CheckReport, Deed.UsesTheSameArena or Deed.WaitsForAnAllocation)
        select new TestCaseData(site, deed);

    [TestCaseSource(nameof(Cases))]
    [Category(Lane.Slow)]
    public void What_a_users_function_does_harms_nothing(Site site, Deed deed)
    {
        Stage stage = new(site, deed);
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                stage.Act();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        })
        { IsBackground = true };
        thread.Start();
        Assert.That(thread.Join(s_hang), "the call that called the user's function does not return");
        using (stage)
        {
            Assert.That(failure, Is.Null);
            stage.End();
        }
    }

    private sealed class Deliberate() : Exception("thrown by the user's function");

    private sealed class Reporter(Action report) : IProgress<double>
    {
        public void Report(double value) => report();
    }

    private struct Job(Action work) : IRangeJob
    {
        public readonly void Execute(int start, int end, int worker)
        {
            if (start != end)
                work();
        }
    }

    private sealed class Stage : IDisposable
    {
        private readonly Site _site;
        private readonly Deed _deed;
        private readonly EngineMemory _memory;
        private readonly LongLivedArena _arena;
        private readonly LongLivedArena _other;
        private readonly LongLivedArena _victim;
        private readonly ShadowModel _inArena = new();
        private readonly ShadowModel _inOther = new();
        private readonly List<Thread> _beside = [];
        private int _before;
        private int _calls;
        private string? _waits;
        private bool _threw;

        public Stage(Site site, Deed deed)
        {
            (_site, _deed) = (site, deed);
            _memory = new EngineMemory(new EngineMemoryOptions
            {
                ReservationBytes = Size.MiB(512),
                Checks = site == Site.CheckReport ? MemoryChecks.Full : MemoryChecks.Off,
                CheckSettings = new CheckSettings { Report = _ => Call() },
            });
            _arena = _memory.CreateLongLivedArena("arena");
            _other = _memory.CreateLongLivedArena("other");
            _victim = _memory.CreateLongLivedArena("victim");
            _victim.Allocate(Size.MiB(3));
            Fill(_arena, _inArena);
            Fill(_other, _inOther);
        }

        /// <summary>Brings the engine to call the function.</summary>
        public void Act()
        {
            _before = _arena.SuperSlabCount;
            try
            {
                Trigger();
                Assert.That(_deed != Deed.Throws || !MustArrive, "what the function throws arrives");
            }
            catch (Exception thrown) when (_deed == Deed.Throws
                && (thrown is Deliberate || thrown.InnerException is Deliberate))
            {
                Assert.That(
                    _arena.SuperSlabCount, Is.LessThanOrEqualTo(_before),
                    "SuperSlabs of the arena after what has failed");
            }
        }

        /// <summary>Everything is as it was, and all goes back.</summary>
        public void End()
        {
            foreach (Thread thread in _beside)
                Assert.That(thread.Join(s_hang), "the thread beside does not end");

            Assert.That(_calls, Is.Positive, "the function was called");
            Assert.That(_waits, Is.Null);
            Assert.That(_threw, Is.EqualTo(_deed == Deed.Throws));
            _inArena.CheckAll();
            _inOther.CheckAll();
            _memory.Validate();
            if (_site != Site.CheckReport)
            {
                _arena.Budget = new ArenaBudget();
                Fill(_arena, _inArena);
                _inArena.Drain(block => _arena.Free((void*)block));
                Assert.That(_arena.LiveBlocks(), Is.Empty, "live blocks after all were freed");
            }

            _inOther.Drain(block => _other.Free((void*)block));
            _arena.Dispose();
            _other.Dispose();
            _victim.Dispose();
            Assert.That(_memory.OwnedSuperSlabCount, Is.Zero, "SuperSlabs that nobody owns");
            _memory.Trim();
            Assert.That(_memory.ReadySuperSlabCount, Is.Zero);
            _memory.Dispose();
            MemoryMap.AssertIsGone(_memory);
        }

        public void Dispose() => _memory.Dispose();

        /// <summary>A report of an arena that goes, and a job that others work on, must not keep it from going
        /// on.</summary>
        private bool MustArrive => _site is not (Site.CheckReport or Site.WorkerJob);

        private void Trigger()
        {
            Reporter progress = new(Call);
            switch (_site)
            {
                case Site.PrewarmProgress:
                    _arena.Prewarm([new BlockCount(65_536, 1_200)], threads: 1, progress: progress);
                    break;
                case Site.FrameProgress:
                    _memory.CreateFrameArena(
                        "frame", new FrameArenaOptions { BytesPerLane = Size.MiB(40), OverflowSuperSlabs = 1 },
                        progress).Dispose();
                    break;
                case Site.SceneProgress:
                    ArenaPlan plan =
                        new() { Name = "plan", Blocks = [new BlockCount(65_536, 300), new BlockCount(5 << 20, 1)] };
                    Scene.Load(
                        _memory,
                        new ScenePlan { Name = "scene", Arenas = [plan], FrameArena = new FrameArenaOptions() },
                        new() { Progress = progress }).Dispose();
                    break;
                case Site.OverflowOfSlab:
                    Ask();
                    for (int block = 0; block < 300; block++)
                        _inArena.Add(_arena.Allocate(30_000), 30_000);

                    break;
                case Site.OverflowOfExtent:
                    Ask();
                    _inArena.Add(_arena.Allocate(Size.MiB(6)), Size.MiB(6));
                    break;
                case Site.OverflowOfGrowth:
                    Grow();
                    break;
                case Site.OverflowOfPrewarm or Site.OverflowOfSpares:
                    Ask();
                    _arena.Prewarm([new BlockCount(65_536, 300)], threads: 1, carve: _site == Site.OverflowOfPrewarm);
                    break;
                case Site.CheckReport:
                    _inArena.Clear();
                    _arena.Dispose();
                    break;
                case Site.WorkerJob:
                    Work();
                    break;
            }
        }

        private void Grow()
        {
            void* block = _arena.Allocate(Size.MiB(4));
            _inArena.Add(block, Size.MiB(4));
            _inOther.Add(_other.Allocate(Size.MiB(4)), Size.MiB(4));
            Ask();
            _before = _arena.SuperSlabCount;
            try
            {
                _inArena.Moved(block, _arena.Reallocate(block, Size.MiB(10)), Size.MiB(10));
            }
            catch (Deliberate)
            {
                Assert.That(_arena.SuperSlabCount, Is.EqualTo(_before));
                _arena.Budget = new ArenaBudget();
                _inArena.Remove(block);
                _arena.Free(block);
                throw;
            }
        }

        private void Work()
        {
            using WorkerPool pool = new(new WorkerPoolOptions { WorkerCount = 2 });
            Job job = new(Call);
            try
            {
                pool.Run(ref job, 2);
            }
            catch (Deliberate)
            {
            }

            pool.Run(ref job, 2);
        }

        private void Ask() => _arena.Budget = new ArenaBudget
        {
            HardBytes = Size.MiB(2),
            Overflow = ArenaOverflow.Callback,
            OnOverflow = _ =>
            {
                Call();
                return true;
            },
        };

        /// <summary>The user's function. It does its deed the first time.</summary>
        private void Call()
        {
            if (Interlocked.Increment(ref _calls) == 1)
                Do();
        }

        private void Do()
        {
            switch (_deed)
            {
                case Deed.Throws:
                    _threw = true;
                    throw new Deliberate();
                case Deed.UsesTheSameArena:
                    Use(_arena);
                    break;
                case Deed.UsesAnotherArena:
                    Use(_other);
                    break;
                case Deed.DisposesAnotherArena:
                    _victim.Dispose();
                    break;
                case Deed.WaitsForASnapshot:
                    WaitFor("a snapshot", () => MemorySnapshot.TryTake(_memory, new byte[1 << 20], out _, out _));
                    break;
                case Deed.WaitsForAnAllocation:
                    WaitFor("an allocation", () => Use(_arena));
                    break;
                case Deed.WaitsForATrim:
                    WaitFor("a trim", () => _memory.Trim());
                    break;
                case Deed.WaitsForADisposal:
                    WaitFor("a disposal", () =>
                    {
                        _victim.Dispose();
                        _memory.CreateLongLivedArena("made beside").Dispose();
                    });
                    break;
            }
        }

        /// <summary>Small and large blocks, more than the arena holds ready.</summary>
        private static void Use(LongLivedArena arena)
        {
            ShadowModel model = new();
            Fill(arena, model);
            model.Add(arena.Allocate(Size.MiB(6)), 100);
            model.Drain(block => arena.Free((void*)block));
        }

        private static void Fill(LongLivedArena arena, ShadowModel model)
        {
            foreach (nuint bytes in (nuint[])[16, 100, 1_000, 30_000, 65_536, 300_000, 3 << 20])
                model.Add(arena.Allocate(bytes), bytes);
        }

        private void WaitFor(string what, Action work)
        {
            Thread thread = new(() => work()) { IsBackground = true };
            _beside.Add(thread);
            thread.Start();
            if (!thread.Join(s_hang / 4))
                _waits = $"{what} on another thread waits until the user's function has returned";
        }
    }
}
