using Engine.Arenas;
using Engine.Scenes;
using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>
/// Runs a random program against the engine and, beside it, against what it should be: a <see cref="ShadowModel"/> for each arena, and the
/// frame's blocks with their marks. It throws where the two differ, where the structures do not hold, and where something is left at the end.
/// The actors are threads; one operation at a time is done, each by its actor.
/// </summary>
internal sealed unsafe class ProgramRun : IDisposable
{
    private const int Actors = 3;
    private static readonly nuint s_mostLiveBytes = Size.MiB(40);
    private readonly EngineMemory _memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(256), RetainBytes = 4 << 20 });
    private readonly List<Modelled> _arenas = [];
    private readonly List<Scene> _scenes = [];
    private readonly FrameModel _frame;
    private readonly Actor[] _actors = [.. Enumerable.Range(0, Actors).Select(_ => new Actor())];
    private int _made;

    public ProgramRun()
    {
        _frame = new FrameModel(_memory.CreateFrameArena("frame", new FrameArenaOptions { BytesPerLane = 32 * 1024, OverflowSuperSlabs = 1 }));
        NewArena();
    }

    /// <summary>Runs a program from the empty memory to the empty memory.</summary>
    public static void Run(IEnumerable<Operation> program)
    {
        using ProgramRun run = new();
        foreach (Operation operation in program)
        {
            run._actors[operation.Actor % Actors].Do(() => run.Do(operation));
        }

        run.End();
    }

    public void Dispose()
    {
        Array.ForEach(_actors, actor => actor.Dispose());
        _memory.Dispose();
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
                // The actor's thread ends after this operation; its next one is done by another, which inherits what the first left.
                _actors[operation.Actor % Actors].EndThread();
                break;
            case OperationKind.TrimMemory:
                _memory.Trim();
                _memory.Validate();
                break;
            case >= OperationKind.Bump and <= OperationKind.TrimFrame:
                _frame.Do(operation);
                break;
            case OperationKind.NewArena or OperationKind.LoadScene or OperationKind.UnloadScene:
                break;
            default:
                on.Do(operation, mayGrow: LiveBytes() < s_mostLiveBytes);
                break;
        }
    }

    private nuint LiveBytes() => _arenas.Aggregate((nuint)0, (sum, modelled) => sum + modelled.LiveBytes);

    private void NewArena() => _arenas.Add(new Modelled(_memory.CreateLongLivedArena($"arena {_made++}")));

    private void Load(Operation operation)
    {
        Scene scene = Scene.Load(_memory, new ScenePlan
        {
            Name = $"scene {_made++}",
            Arenas = [new ArenaPlan { Blocks = [new BlockCount((nuint)operation.Size + 1, 20)], SuperSlabs = operation.Which % 2, RetainBytes = 2 << 20 }],
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
        {
            Unload(_scenes[0]);
        }

        foreach (Modelled modelled in _arenas)
        {
            modelled.Empty();
            modelled.Arena.Dispose();
        }

        _frame.Arena.Dispose();
        Assert.That(_memory.OwnedSuperSlabs, Is.Zero);
        _memory.Trim();
        _memory.Validate();
        Assert.That(_memory.ReadySuperSlabs, Is.Zero);
    }
}
