using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Soak.Load;

/// <summary>
/// A scene that is loaded in the background at a random moment, lived in, and unloaded in the background: with
/// everything freed before, or thrown away as a whole. One thread gives the orders.
/// </summary>
internal sealed class Level(BackgroundLoader loader, string name, Random random, Verdict verdict)
{
    private readonly StreamedScene _scene = loader.Add(Plan(name, random));
    private Churn? _churn;
    private bool _isFreed;
    private bool _wasLoading;
    private bool _wasUnloading;

    public long Loads { get; private set; }
    public nuint LiveBytes => _churn?.LiveBytes ?? 0;
    public int SuperSlabs => _scene.State == StreamState.Loaded ? _scene.Scene.Arena.SuperSlabCount : 0;

    public void Tick()
    {
        switch (_scene.State)
        {
            case StreamState.Unloaded:
                CheckUnload();
                Load();
                break;
            case StreamState.Failed:
                CheckFailure();
                Load();
                break;
            case StreamState.Loaded:
                Live();
                break;
        }
    }

    public void Check() => _churn?.Check();

    /// <summary>Waits for what is under way and unloads what is loaded.</summary>
    public void End()
    {
        if (_scene.Wait() == StreamState.Loaded)
        {
            _churn ??= NewChurn();
            Unload();
            _scene.Wait();
        }

        if (_scene.State == StreamState.Unloaded)
            CheckUnload();
        else
            CheckFailure();
    }

    private static ScenePlan Plan(string name, Random random) => new()
    {
        Name = name,
        FrameArena = new FrameArenaOptions { BytesPerLane = 256 * 1024, LaneCount = 2 },
        Arenas =
        [
            new ArenaPlan
            {
                Blocks = [new(64, random.Next(1, 20_000)), new(700, random.Next(1, 3_000)), new(3 << 20, 2)],
                SuperSlabCount = random.Next(5),
                RetainBytes = (nuint)random.Next(3) << 21,
            },
        ],
    };

    private void Load()
    {
        if (random.Next(50) == 0)
        {
            _scene.Load();
            _wasLoading = true;
        }
    }

    private void Live()
    {
        _churn ??= NewChurn();
        _churn.Run(100);
        if (random.Next(100) == 0)
            Unload();
    }

    private Churn NewChurn()
    {
        Loads++;
        _wasLoading = false;
        return new Churn(_scene.Scene.Arena, random, verdict, limitBytes: 16 << 20);
    }

    private void Unload()
    {
        _isFreed = random.Next(2) == 0;
        if (_isFreed)
            _churn!.FreeAll();
        else
            _churn!.Forget();

        _churn = null;
        _wasUnloading = true;
        _scene.Unload();
    }

    private void CheckUnload()
    {
        if (_wasUnloading && _scene.Error is { } refusal)
        {
            if (!Verdict.IsRefusal(refusal))
                throw new RunFailedException($"a scene could not be unloaded: {refusal}");

            verdict.CountRefusal(refusal);
        }

        _wasUnloading = false;
        if (_isFreed && _scene.UnloadReport is { IsClean: false } report)
            throw new RunFailedException($"all blocks of a scene were freed, and yet: {report}");

        _isFreed = false;
    }

    private void CheckFailure()
    {
        if (_wasLoading)
        {
            _wasLoading = false;
            if (_scene.Error is null || !Verdict.IsRefusal(_scene.Error))
            {
                throw new RunFailedException(
                    $"a scene could not be loaded for another reason than want of memory: {_scene.Error}");
            }

            verdict.CountRefusal(_scene.Error);
        }
    }
}
