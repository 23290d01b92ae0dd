// What all levels have: a store, a script, things that fly, and drawing by all workers.
using System.Numerics;
using Samples.Game.Libraries;
using Samples.Game.Showing;
using SuperSlab.Scenes;

namespace Samples.Game.Levels;

/// <summary>What the player, or nobody, does in a step.</summary>
/// <param name="Aim">Where the mouse points, from -1 to 1 in both directions.</param>
/// <param name="Fires">Whether a shot is wanted.</param>
/// <param name="IsPlayed">Whether somebody plays; else the level plays by itself.</param>
internal readonly record struct Controls(Vector2 Aim, bool Fires, bool IsPlayed);

/// <summary>What a level is made with.</summary>
/// <param name="Seed">Where its random numbers begin.</param>
/// <param name="Workers">Of the pool that steps and draws it.</param>
internal sealed record LevelSetup(Script Script, SaveGames Saves, uint Seed, int Workers);

/// <summary>
/// A level. Built on the loader's thread, then played on the game's: the same steps from the same seed, whatever memory
/// is behind it and however many workers there are.
/// </summary>
internal abstract class Level<TStore> : IDisposable
    where TStore : struct, IStore
{
    /// <summary>The length of a step, in seconds.</summary>
    public const float StepSeconds = 1 / 60f;

    protected const int MostParticles = 4000;
    private readonly LevelSetup _setup;
    private readonly DrawList[] _lists;
    private uint _random;
    private uint _cosmetic = 1;

    protected Level(LevelSetup setup, TStore store)
    {
        (_setup, Store) = (setup, store);
        _lists = new DrawList[setup.Workers];
        _random = (setup.Seed * 2654435761) | 1;
    }

    /// <summary>Points so far.</summary>
    public int Score { get; protected set; }

    /// <summary>Steps done so far.</summary>
    public long StepCount { get; private set; }

    /// <summary>How many things the level would like to draw.</summary>
    protected abstract int DrawCount { get; }

    /// <summary>What the level stands on.</summary>
    protected abstract Sprite Ground { get; }

    protected LevelSetup Setup => _setup;

    protected TStore Store { get; }

    /// <summary>What the script decided for this step.</summary>
    protected Decision Rules { get; private set; }

    /// <summary>Makes the level's things.</summary>
    public abstract void Build();

    /// <summary>Where it is looked at from.</summary>
    public abstract Camera Camera(float aspect);

    /// <summary>Moves the level on. In the hot loop.</summary>
    public void Step(in Controls controls, WorkerPool pool)
    {
        Rules = _setup.Script.Step(StepCount++, Store.Count(ThingKind.Actor), Score);
        Play(controls, pool);
        MoveParticles();
    }

    /// <summary>Writes down what is to be seen, each worker its part. In the hot loop.</summary>
    public ReadOnlySpan<DrawList> Draw(in Camera camera, WorkerPool pool)
    {
        _lists.AsSpan().Clear();
        DrawJob job = new() { Level = this, Camera = camera };
        pool.Run(ref job, 1 + DrawCount + Store.Count(ThingKind.Shot) + Store.Count(ThingKind.Particle));
        return _lists;
    }

    /// <summary>How the level goes, for the player. In the hot loop.</summary>
    public Table<byte> Status(string title) =>
        Store.Line(title, Score, Store.Count(ThingKind.Actor), Store.Count(ThingKind.Shot));

    /// <summary>All that has an effect on the next step, as one number.</summary>
    public virtual uint Hash()
    {
        uint hash = Fold(Fold(2166136261, _random), (uint)Score);
        for (ThingKind kind = ThingKind.Actor; kind <= ThingKind.Shot; kind++)
        {
            hash = Fold(hash, (uint)Store.Count(kind));
            for (int index = 0; index < Store.Count(kind); index++)
            {
                ref Thing thing = ref Store.At(kind, index);
                hash = Fold(hash, BitConverter.SingleToUInt32Bits(thing.Position.X));
                hash = Fold(hash, BitConverter.SingleToUInt32Bits(thing.Position.Y));
                hash = Fold(hash, BitConverter.SingleToUInt32Bits(thing.Position.Z));
                hash = Fold(hash, (uint)thing.Life);
            }
        }

        return hash;
    }

    /// <summary>The level ends, its memory with it.</summary>
    public virtual void Dispose()
    {
        _setup.Script.Dispose();
        Store.Dispose();
    }

    protected static uint Fold(uint hash, uint value) => (hash ^ value) * 16777619;

    protected abstract void Play(in Controls controls, WorkerPool pool);

    /// <returns>Whether the thing of this number is to be seen. On any worker.</returns>
    protected abstract bool TryDraw(int index, in Camera camera, out Sprite sprite);

    /// <summary>A random number from 0 to below 1; with xorshift32 by Marsaglia, 2003.</summary>
    protected float Next()
    {
        _random = Shuffled(_random);
        return (_random >> 8) * (1f / (1 << 24));
    }

    protected int Next(int below) => (int)(Next() * below);

    /// <summary>Sparks that are seen and have no effect.</summary>
    protected void Burst(Vector3 position, int count, uint color, float speed)
    {
        for (int index = 0; index < count && Store.Count(ThingKind.Particle) < MostParticles; index++)
        {
            ref Thing spark = ref Store.Add(ThingKind.Particle);
            spark.Position = position;
            spark.Velocity = new Vector3(Cosmetic() - 0.5f, Cosmetic() - 0.2f, Cosmetic() - 0.5f) * speed;
            spark.Life = 20 + (int)(Cosmetic() * 40);
            spark.Size = 0.25f;
            spark.Color = color;
        }
    }

    private static uint Shuffled(uint random)
    {
        random ^= random << 13;
        random ^= random >> 17;
        return random ^ (random << 5);
    }

    private float Cosmetic()
    {
        _cosmetic = Shuffled(_cosmetic);
        return (_cosmetic >> 8) * (1f / (1 << 24));
    }

    private void MoveParticles()
    {
        for (int index = Store.Count(ThingKind.Particle) - 1; index >= 0; index--)
        {
            ref Thing spark = ref Store.At(ThingKind.Particle, index);
            spark.Velocity.Y -= 4 * StepSeconds;
            spark.Position += spark.Velocity * StepSeconds;
            spark.Size *= 0.98f;
            if (--spark.Life <= 0)
                Store.RemoveAt(ThingKind.Particle, index);
        }
    }

    private bool TryDrawAny(int index, in Camera camera, out Sprite sprite)
    {
        sprite = Ground;
        if (index == 0)
            return true;

        index--;
        if (index < DrawCount)
            return TryDraw(index, camera, out sprite);

        index -= DrawCount;
        int shots = Store.Count(ThingKind.Shot);
        ref Thing thing = ref index < shots
            ? ref Store.At(ThingKind.Shot, index)
            : ref Store.At(ThingKind.Particle, index - shots);
        sprite = new Sprite(thing.Position, Quaternion.Identity, new Vector3(thing.Size / 2), thing.Color);
        return camera.Sees(thing.Position, thing.Size);
    }

    private struct DrawJob : IRangeJob
    {
        public Level<TStore> Level;
        public Camera Camera;

        public readonly void Execute(int start, int end, int worker)
        {
            if (start == end)
                return;

            Table<Sprite> sprites = Level.Store.Scratch<Sprite>(worker, end - start);
            Span<Sprite> written = sprites.Span;
            int count = 0;
            for (int index = start; index < end; index++)
            {
                if (Level.TryDrawAny(index, Camera, out Sprite sprite))
                    written[count++] = sprite;
            }

            Level._lists[worker] = new DrawList(sprites, count);
        }
    }
}
