// The arcade of falling towers.
using System.Numerics;
using Samples.Game.Libraries;
using Samples.Game.Showing;
using SuperSlab.Scenes;

namespace Samples.Game.Levels;

/// <summary>
/// Towers of blocks, balls that are thrown at them, and a physics library that does the rest. What has fallen counts;
/// a tower that has fallen is built again when the script says so.
/// </summary>
internal sealed class Towers<TStore>(LevelSetup setup, TStore store) : Level<TStore>(setup, store)
    where TStore : struct, IStore
{
    private const int MostBalls = 10;
    private const int BallSteps = 240;
    private const float Spacing = 7;
    private static readonly Vector3 s_block = new(1.9f, 0.9f, 0.9f);
    private readonly Physics _physics = new();
    private int _towers;
    private int _layers;

    /// <summary>Of blocks, balls and sparks, as many as there can be.</summary>
    public static int[] Capacities => [1024, MostBalls, MostParticles];

    protected override int DrawCount => Store.Count(ThingKind.Actor);

    protected override Sprite Ground =>
        new(new Vector3(0, -0.5f, 0), Quaternion.Identity, new Vector3(40, 0.5f, 40), 0xFF507060);

    public override void Build()
    {
        _towers = Setup.Saves.Setting("towers", "towers");
        _layers = Setup.Saves.Setting("towers", "layers");
        for (int tower = 0; tower < _towers; tower++)
            BuildTower(tower);
    }

    public override Camera Camera(float aspect)
    {
        float turn = StepCount * 0.002f;
        float width = _towers * Spacing;
        Vector3 eye = new(MathF.Sin(turn) * width * 0.4f, 8, 8 + (width * 0.45f));
        return new Camera(eye, new Vector3(0, 4, 0), aspect);
    }

    public override void Dispose()
    {
        _physics.Dispose();
        base.Dispose();
    }

    protected override void Play(in Controls controls, WorkerPool pool)
    {
        Throw(controls);
        _physics.Step(StepSeconds);
        for (int index = 0; index < Store.Count(ThingKind.Actor); index++)
        {
            ref Thing block = ref Store.At(ThingKind.Actor, index);
            block.Position = Physics.PositionOf(block.Body);
            if (block.Life == 1 && block.Position.Y < block.Size - 0.6f)
            {
                block.Life = 0;
                Score += Setup.Script.Hit(block.Group);
                Burst(block.Position, 12, 0xFF60C8FF, 8);
            }
        }

        if (Rules.Spawn > 0)
            BuildAgain();
    }

    protected override bool TryDraw(int index, in Camera camera, out Sprite sprite)
    {
        ref Thing block = ref Store.At(ThingKind.Actor, index);
        sprite = new Sprite(block.Position, Physics.RotationOf(block.Body), s_block / 2, block.Color);
        return camera.Sees(block.Position, s_block.X);
    }

    private void Throw(in Controls controls)
    {
        for (int index = Store.Count(ThingKind.Shot) - 1; index >= 0; index--)
        {
            ref Thing ball = ref Store.At(ThingKind.Shot, index);
            ball.Position = Physics.PositionOf(ball.Body);
            if (--ball.Life <= 0)
            {
                Physics.Remove(ball.Body);
                Store.RemoveAt(ThingKind.Shot, index);
            }
        }

        bool fires = controls.IsPlayed ? controls.Fires : StepCount % 30 == 1;
        if (!fires || Store.Count(ThingKind.Shot) == MostBalls)
            return;

        float half = _towers * Spacing / 2;
        Vector3 from = new(controls.IsPlayed ? 0 : (Next() - 0.5f) * half, 3, 16);
        Vector3 to = controls.IsPlayed
            ? new Vector3(controls.Aim.X * half, 4 + (controls.Aim.Y * 5), 0)
            : new Vector3(((Next(_towers) + 0.5f) * Spacing) - half, 2 + (Next() * 5), 0);
        ref Thing thrown = ref Store.Add(ThingKind.Shot);
        thrown.Position = from;
        thrown.Size = 1.2f;
        thrown.Life = BallSteps;
        thrown.Color = 0xFF3040E0;
        thrown.Body = _physics.AddBall(from, thrown.Size / 2, Vector3.Normalize(to - from) * Rules.Power);
    }

    /// <summary>The tower of which the most has fallen.</summary>
    private void BuildAgain()
    {
        Span<int> fallen = stackalloc int[64];
        fallen.Clear();
        for (int index = 0; index < Store.Count(ThingKind.Actor); index++)
        {
            ref Thing block = ref Store.At(ThingKind.Actor, index);
            fallen[block.Group] += 1 - block.Life;
        }

        int worst = 0;
        for (int tower = 1; tower < _towers; tower++)
            worst = fallen[tower] > fallen[worst] ? tower : worst;

        if (fallen[worst] == 0)
            return;

        for (int index = Store.Count(ThingKind.Actor) - 1; index >= 0; index--)
        {
            ref Thing block = ref Store.At(ThingKind.Actor, index);
            if (block.Group == worst)
            {
                Physics.Remove(block.Body);
                Store.RemoveAt(ThingKind.Actor, index);
            }
        }

        BuildTower(worst);
    }

    /// <summary>Two blocks a layer, each layer across the one below.</summary>
    private void BuildTower(int tower)
    {
        float middle = ((tower + 0.5f) * Spacing) - (_towers * Spacing / 2);
        for (int layer = 0; layer < _layers; layer++)
        {
            for (int side = -1; side <= 1; side += 2)
            {
                bool isAlong = layer % 2 == 0;
                float offset = side * 0.5f;
                Vector3 at = new(isAlong ? middle : middle + offset, (layer + 0.5f) * s_block.Y, isAlong ? offset : 0);
                Vector3 size = isAlong ? s_block : new Vector3(s_block.Z, s_block.Y, s_block.X);
                ref Thing block = ref Store.Add(ThingKind.Actor);
                block.Position = at;
                block.Size = at.Y;
                block.Life = 1;
                block.Group = tower;
                block.Color = 0xFF000000 | (0x30u * (uint)(tower % 5)) << 16 | 0x80u + (10u * (uint)layer) << 8 | 0xC0;
                block.Body = _physics.AddBox(at, size);
            }
        }
    }
}
