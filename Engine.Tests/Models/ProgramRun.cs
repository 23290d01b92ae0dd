using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>
/// Runs a random program against the engine and, beside it, against what it should be: a <see cref="ShadowModel"/> for
/// each arena, and the frame's blocks with their marks. It throws where the two differ, where the structures do not
/// hold, and where something is left at the end. The actors are threads; one operation at a time is done, each by its
/// actor.
/// </summary>
internal sealed unsafe class ProgramRun : IDisposable
{
    private const int Actors = 3;
    private static readonly nuint s_mostLiveBytes = Size.MiB(40);
    private static readonly BlockCount[] s_plan = [new(1 << 20, 1), new(6 << 20, 1), new(36 << 20, 1)];
    private static readonly string[] s_systemCalls = ["mmap", "mprotect", "madvise", "mremap"];
    private readonly FailingContext? _system = OperatingSystem.IsLinux() ? new FailingContext() : null;
    private readonly EngineMemory _memory;
    private readonly List<Modelled> _arenas = [];
    private Modelled? _planned;
    private readonly List<Scene> _scenes = [];
    private FrameModel _frame;
    private readonly Actor[] _actors = [.. Enumerable.Range(0, Actors).Select(_ => new Actor())];
    private int _made;

    public ProgramRun()
    {
        _memory =
            new EngineMemory(
            new EngineMemoryOptions
            {
                ReservationBytes = Size.MiB(512),
                RetainBytes = 4 << 20,
                NativeContext = _system
            });
        _frame = NewFrames();
        NewArena();
    }

    /// <summary>Runs a program from the empty memory to the empty memory.</summary>
    public static void Run(IEnumerable<Operation> program)
    {
        using ProgramRun run = new();
        foreach (Operation operation in program)
            run._actors[operation.Actor % Actors].Do(() => run.Do(operation));

        run.End();
    }

    public void Dispose()
    {
        Array.ForEach(_actors, actor => actor.Dispose());
        _memory.Dispose();
        _system?.Dispose();
    }

    private void Do(Operation operation)
    {
        Modelled on = _arenas[operation.Which % _arenas.Count];
        switch (operation.Kind)
        {
            case OperationKind.NewArena when _arenas.Count < 4:
                NewArena();
                break;
            case OperationKind.LoadScene when _scenes.Count < 2:
                Load(operation);
                break;
            case OperationKind.UnloadScene when _scenes.Count != 0:
                Unload(_scenes[operation.Which % _scenes.Count]);
                break;
            case OperationKind.EndThread:
                // The actor's thread ends after this operation; its next one is done by another, which inherits what
                // the first left.
                _actors[operation.Actor % Actors].EndThread();
                break;
            case OperationKind.TrimMemory:
                _memory.Trim();
                _memory.Validate();
                break;
            case >= OperationKind.Bump and <= OperationKind.RewindToMark:
                _frame.Do(operation);
                break;
            case OperationKind.Prewarm:
                on.Prewarm(operation);
                break;
            case OperationKind.PrewarmOverBudget:
                (operation.Which % 3 == 0 ? _planned ?? on : on).PrewarmOverBudget(carve: operation.Size % 2 == 0);
                _memory.Validate();
                break;
            case OperationKind.PrewarmOverReservation:
                PrewarmOverReservation(operation.Which % 3 == 0 ? _planned ?? on : on, carve: operation.Size % 2 == 0);
                _memory.Validate();
                break;
            case OperationKind.PrewarmRefused when _system is not null:
                PrewarmRefused(on, operation);
                break;
            case OperationKind.FillBudget when !_scenes.Exists(scene => scene.Arena == on.Arena):
                foreach (Actor other in _actors.Where(actor => actor != _actors[operation.Actor % Actors]))
                {
                    other.Do(on.GiveUpHandle);
                    other.AwaitIdle();
                }

                on.FillBudget();
                break;
            case OperationKind.ChangeBudget:
                on.Arena.Budget =
                    new ArenaBudget
                    {
                        SoftBytes = (nuint)operation.Size,
                        HardBytes = operation.Which % 2 == 0 ? 0 : Size.MiB(2048)
                    };
                break;
            case OperationKind.DisposeArena when !_scenes.Exists(scene => scene.Arena == on.Arena):
                _arenas.Remove(on);
                on.Replace(NewArena);
                break;
            case OperationKind.DisposeFrames:
                ReplaceFrames();
                break;
            case OperationKind.PlayPlan or OperationKind.PlayOverPlan:
                PlayPlan(operation);
                break;
            case OperationKind.Snapshot:
                Assert.That(MemorySnapshot.TryTake(_memory, new byte[1 << 20], out _, out _));
                break;
            case OperationKind.PrewarmRefused or OperationKind.FillBudget or OperationKind.DisposeArena:
                break;
            case OperationKind.NewArena or OperationKind.LoadScene or OperationKind.UnloadScene:
                break;
            default:
                on.Do(operation, mayGrow: LiveBytes() < s_mostLiveBytes);
                break;
        }
    }

    private nuint LiveBytes() => _arenas.Aggregate((nuint)0, (sum, modelled) => sum + modelled.LiveBytes);

    private Modelled NewArena()
    {
        _arenas.Add(new Modelled(_memory.CreateLongLivedArena($"arena {_made++}")));
        return _arenas[^1];
    }

    private FrameModel NewFrames() =>
        new(_memory,
            _memory.CreateFrameArena(
            "frame", new FrameArenaOptions { BytesPerLane = 32 * 1024, OverflowSuperSlabs = 1 }));

    private void ReplaceFrames()
    {
        FrameLane stale = _frame.Arena.Lane(0);
        _frame.Check();
        _frame.Arena.Dispose();
        _frame = NewFrames();
        _frame.Do(new Operation(OperationKind.Bump, 0, 0, 1000));
        Stale.Refuses(stale);
        _frame.Do(new Operation(OperationKind.Bump, 0, 0, 1000));
    }

    /// <summary>A prewarm of nearly the whole reservation, a part of which is certainly taken.</summary>
    private void PrewarmOverReservation(Modelled on, bool carve)
    {
        FrameArena wall;
        try
        {
            wall = _memory.CreateFrameArena(
                "wall", new FrameArenaOptions { BytesPerLane = Size.MiB(8), LaneCount = 1, BufferCount = 1 });
        }
        catch (EngineOutOfMemoryException)
        {
            return;
        }

        using (wall)
        {
            on.PrewarmInVain(new BlockCount(1 << 20, (long)(on.Arena.MaximumBytes >> 20) - 4), carve);
        }
    }

    private void PrewarmRefused(Modelled on, Operation operation)
    {
        Array.ForEach(s_systemCalls, call => _system!.FailAlways(call, errno: 12));
        try
        {
            on.PrewarmInVain(
                new BlockCount((nuint)operation.Size + 1, 3), carve: operation.Which % 2 == 0, mayHold: true);
        }
        finally
        {
            Array.ForEach(s_systemCalls, _system!.Heal);
        }

        _memory.Validate();
    }

    /// <summary>What was prewarmed is there in each frame that keeps to it, whatever frames over plan did, also when
    /// the reserve is empty.</summary>
    private void PlayPlan(Operation operation)
    {
        bool isOver = operation.Kind == OperationKind.PlayOverPlan;
        if (operation.Which % 3 == 0)
        {
            _frame.PlayPlan(isOver);
            return;
        }

        if (_planned is null)
        {
            _planned = new Modelled(_memory.CreateLongLivedArena("planned"));
            _planned.Arena.Prewarm(s_plan, threads: Actors + 1);
        }

        nuint more = Size.MiB(operation.Which % 2 == 0 ? 33 : 44);
        BlockCount[] frame = isOver ? [.. s_plan, new(more, 1), new(5 << 20, 1), new(1 << 20, 3)] : s_plan;
        new Random(operation.Which).Shuffle(frame);
        _planned.PlayFrame(frame, new Random(operation.Size));
        _memory.Trim();
        long before = _memory.OsCalls;
        _planned.PlayFrame(s_plan, new Random(operation.Size));
        Assert.That(_memory.OsCalls - before, Is.Zero, "OS calls of a frame in plan");
    }

    private void Load(Operation operation)
    {
        Scene scene = Scene.Load(_memory, new ScenePlan
        {
            Name = $"scene {_made++}",
            Arenas =
                [new ArenaPlan { Blocks = [new BlockCount((nuint)operation.Size + 1, 20)],
                SuperSlabCount = operation.Which % 2, RetainBytes = 2 << 20 }],
        });
        _scenes.Add(scene);
        _arenas.Add(new Modelled(scene.Arena));
    }

    private void Unload(Scene scene)
    {
        Modelled modelled = _arenas.Single(candidate => candidate.Arena == scene.Arena);
        modelled.Check();
        UnloadReport report = scene.Unload();
        Assert.That(report.Leaks.Sum(leaks => leaks.Count), Is.EqualTo(modelled.Count), "blocks that the unload found");
        _arenas.Remove(modelled);
        _scenes.Remove(scene);
    }

    private void End()
    {
        _memory.Validate();
        _frame.Check();
        _arenas.ForEach(modelled => modelled.Check());
        while (_scenes.Count != 0)
            Unload(_scenes[0]);

        foreach (Modelled modelled in _arenas)
        {
            modelled.Empty();
            modelled.Arena.Dispose();
        }

        _planned?.Arena.Dispose();
        _frame.Arena.Dispose();
        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        _memory.Trim();
        _memory.Validate();
        Assert.That(_memory.ReadySuperSlabCount, Is.Zero);
    }
}
