using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>
/// Create the memory, load a scene by its plan, run frames, load another scene in the background beside them, grow,
/// unload both, dispose. Each step that fails must do so clearly and leave everything in order, and works when it is
/// done again.
/// </summary>
internal sealed unsafe class SceneLife(
    FailingContext context, PrefaultPolicy policy, PageKind pages, nuint? reservationBytes = null,
    StayPolicy stay = StayPolicy.None)
    : IFailingLife
{
    public static readonly nuint DefaultReservationBytes = Size.MiB(128);

    private static readonly ScenePlan s_plan = new()
    {
        Name = "level",
        FrameArena = new FrameArenaOptions { BytesPerLane = 64 * 1024, LaneCount = 2, OverflowSuperSlabs = 1 },
        Arenas =
        [
            new ArenaPlan { Name = "world", Blocks = [new BlockCount(64, 2_000), new BlockCount(3 << 20, 1)],
                RetainBytes = 2 << 20 },
            new ArenaPlan { Name = "sounds", SuperSlabCount = 1, Carve = false },
        ],
    };

    private readonly ShadowModel _model = new();
    private readonly Random _random = new(5);
    private EngineMemory? _memory;
    private BackgroundLoader? _loader;
    private Scene? _scene;
    private bool _isBusy;

    /// <summary>Steps that failed and were done again.</summary>
    public int Failures { get; private set; }

    public nuint ReservationBytes { get; private set; }

    public void Run()
    {
        Step(() => _memory = new EngineMemory(new EngineMemoryOptions
        {
            ReservationBytes = reservationBytes ?? DefaultReservationBytes,
            Prefault = policy,
            Pages = pages,
            Stay = stay,
            Granularity = pages == PageKind.Normal ? PrefaultGranularity.Slab : PrefaultGranularity.SuperSlab,
            NativeContext = context,
        }));
        nint start = _memory!.ReservationBase;
        ReservationBytes = _memory.ReservationBytes;
        Step(() => _scene = Scene.Load(_memory, s_plan));
        nuint blockBytes = _scene!.Arena.MaximumBytes;
        RunFrames(3);

        _loader = new BackgroundLoader(_memory);
        StreamedScene next = _loader.Add(s_plan with { Name = "next", FrameArena = null });
        _isBusy = true;
        next.Load();
        RunFrames(3);
        if (next.Wait() == StreamState.Failed)
        {
            Note(next.Error!);
            next.Load();
            Assert.That(next.Wait(), Is.EqualTo(StreamState.Loaded), () => $"loaded again: {next.Error}");
        }

        _isBusy = false;
        Step(() => Grow(_scene.Arena, Size.MiB(5)));
        Step(() => Grow(_scene.GetArena("sounds"), 1 << 20));
        Step(() => new Span<byte>(_scene.FrameArena.Lane(1).Allocate(Size.MiB(3)), 3 << 20).Fill(1));
        RunFrames(3);
        Step(() => Grow(next.Scene.Arena, 100_000));
        _isBusy = true;
        next.Unload();
        Assert.That(next.Wait(), Is.EqualTo(StreamState.Unloaded));
        if (next.Error is not null)
            Note(next.Error);

        _isBusy = false;
        RunFrames(3);
        _model.CheckAll();
        Step(_scene.Dispose);
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero, "both scenes are gone");
        Step(() => _memory.Trim());
        Assert.That(_memory.ReadySuperSlabCount, Is.Zero);
        long absent = _memory.PagesThatWouldFault(start, blockBytes);
        Assert.That(
            absent, Is.EqualTo(-1).Or.EqualTo((long)blockBytes / Environment.SystemPageSize),
            "resident memory is back");
        _loader.Dispose();
        _isBusy = true; // nothing is left to look at
        Step(_memory.Dispose);
        MemoryMap.AssertIsGone(_memory);
        if (stay == StayPolicy.Pin)
            Assert.That(KeptMemory.Read(), Is.EqualTo(default(KeptMemory)), "no pin and no lock is left");

        _memory = null;
    }

    public void Dispose()
    {
        _loader?.Dispose();
        _memory?.Dispose();
    }

    /// <summary>What a scene does in frames: bump, allocate, free, find last frame's data as it was.</summary>
    private void RunFrames(int count)
    {
        FrameArena frame = _scene!.FrameArena;
        LongLivedArena arena = _scene.Arena;
        for (; count > 0; count--)
        {
            byte* last = (byte*)frame.Lane(0).Allocate(1000);
            new Span<byte>(last, 1000).Fill(0xA5);
            frame.NextFrame();
            new Span<byte>(frame.Lane(0).Allocate(1000), 1000).Fill(0x5A);
            Assert.That(new Span<byte>(last, 1000).IndexOfAnyExcept((byte)0xA5), Is.Negative, "last frame's data");
            for (int blocks = 0; blocks < 100; blocks++)
            {
                if (_model.Count > 300 || (_model.Count > 0 && blocks % 3 == 2))
                {
                    void* block = _model.Pick(_random, out _);
                    _model.Remove(block);
                    arena.Free(block);
                }
                else
                {
                    _model.Add(arena.Allocate(64), 64); // prewarmed: no call is made that could fail
                }
            }

            Validate();
        }
    }

    /// <summary>A block that was not prewarmed, made larger where it cannot grow, and freed.</summary>
    private static void Grow(LongLivedArena arena, nuint bytes)
    {
        byte* block = (byte*)arena.Allocate(bytes);
        void* neighbour = null;
        try
        {
            block[bytes - 1] = 77;
            neighbour = arena.Allocate(bytes);
            block = (byte*)arena.Reallocate(block, bytes * 3 / 2);
            Assert.That(block[bytes - 1], Is.EqualTo(77));
            block[(bytes * 3 / 2) - 1] = 1;
        }
        finally
        {
            arena.Free(neighbour);
            arena.Free(block);
        }
    }

    private void Step(Action step)
    {
        try
        {
            step();
        }
        catch (Exception exception) when (exception is EngineOutOfMemoryException or EngineMemoryException)
        {
            Note(exception);
            Validate();
            step();
        }

        Validate();
    }

    /// <summary>Looks at all structures, where nobody else changes them.</summary>
    private void Validate()
    {
        if (_memory is not null && !_isBusy)
            _memory.Validate();
    }

    private void Note(Exception failure)
    {
        Failures++;
        Assert.That(failure, Is.TypeOf<EngineOutOfMemoryException>().Or.TypeOf<EngineMemoryException>());
        Assert.That(failure.Message, Has.Length.GreaterThan(30));
    }
}
