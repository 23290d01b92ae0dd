using System.Numerics;
using SuperSlab;
using SuperSlab.Collections;
using SuperSlab.Scenes;

namespace EngineGame;

/// <summary>The game: bodies that move in a square. Its memory is the scene's; it has no managed memory of its own.</summary>
internal sealed class World : IGame, IDisposable
{
    private const int BodyCount = 10_000;

    private readonly Scene _scene;
    private readonly WorkerPool _workers;
    private NativeList<Body> _bodies;
    private Move _move;

    public World(Scene scene, WorkerPool workers)
    {
        (_scene, _workers) = (scene, workers);
        _bodies = new NativeList<Body>(scene.Arena, BodyCount);
        Random random = new(42);
        for (int index = 0; index < BodyCount; index++)
        {
            Vector2 place = new(random.NextSingle(), random.NextSingle());
            Vector2 speed = new(random.NextSingle() - 0.5f, random.NextSingle() - 0.5f);
            _bodies.AddNoResize(new Body { Place = place, Speed = speed });
        }

        _move.Bodies = _bodies;
        _workers.Prepare(ref _move); // its code is compiled on all workers
    }

    /// <summary>Frames until the game ends.</summary>
    public int FramesLeft { get; set; }

    /// <summary>Bodies that the last frame showed.</summary>
    public int VisibleCount { get; private set; }

    public bool IsRunning => FramesLeft > 0;

    public void Update(long step, double seconds)
    {
        _move.Seconds = (float)seconds;
        _workers.Run(ref _move, _bodies.Count);
    }

    public void Draw(double alpha)
    {
        // Memory of this frame: nobody frees it.
        Span<Vector2> visible = _scene.FrameArena.Lane(0).AllocateSpan<Vector2>(_bodies.Count);
        int count = 0;
        foreach (ref readonly Body body in _bodies.AsSpan())
        {
            if (body.Place.X < 0.5f)
                visible[count++] = body.Place;
        }

        VisibleCount = count; // a renderer takes visible[..count] here
        FramesLeft--;
    }

    public void Dispose() => _bodies.Dispose();
}

/// <summary>A place from 0 to 1 and a speed in units a second.</summary>
internal struct Body
{
    public Vector2 Place;
    public Vector2 Speed;
}

/// <summary>Moves a range of bodies, on one of the workers.</summary>
internal struct Move : IRangeJob
{
    public NativeList<Body> Bodies;
    public float Seconds;

    public readonly void Execute(int start, int end, int worker)
    {
        foreach (ref Body body in Bodies.AsSpan()[start..end])
        {
            body.Place += body.Speed * Seconds;
            if (body.Place.X is < 0 or > 1)
                body.Speed.X = -body.Speed.X;

            if (body.Place.Y is < 0 or > 1)
                body.Speed.Y = -body.Speed.Y;
        }
    }
}
