// The swarm that flocks and is shot at.
using System.Numerics;
using Samples.Game.Showing;
using SuperSlab.Scenes;

namespace Samples.Game.Levels;

/// <summary>
/// Some ten thousand agents that keep together, apart and in one direction with those near them, found by a grid that
/// is made anew each step in memory of the frame. Shots take agents out, the script sends others.
/// </summary>
/// <remarks>The three rules are Craig Reynolds', "Flocks, Herds, and Schools", 1987.</remarks>
internal sealed class Swarm<TStore>(LevelSetup setup, TStore store) : Level<TStore>(setup, store)
    where TStore : struct, IStore
{
    private const float Cell = 4;
    private const int CellsX = 48;
    private const int CellsY = 12;
    private const int CellsZ = 48;
    private const int CellCount = CellsX * CellsY * CellsZ;
    private const int MostNeighbors = 8;
    private const int MostLooks = 24;
    private const int MostShots = 400;
    private const int MostAgents = 20_000;
    private const float ShotReach = 1.6f;
    private static readonly Vector3 s_size = new(CellsX * Cell, CellsY * Cell, CellsZ * Cell);

    private int _agents;

    /// <summary>Of agents, shots and sparks, as many as there can be.</summary>
    public static int[] Capacities => [MostAgents, MostShots, MostParticles];

    protected override int DrawCount => Store.Count(ThingKind.Actor);

    protected override Sprite Ground =>
        new(s_size with { Y = 0 } / 2, Quaternion.Identity, s_size with { Y = 0.5f }, 0xFF604838);

    public override void Build()
    {
        _agents = Math.Min(Setup.Saves.Setting("swarm", "agents"), MostAgents);
        for (int agent = 0; agent < _agents; agent++)
            Spawn(new Vector3(Next(), Next(), Next()) * s_size);
    }

    public override Camera Camera(float aspect)
    {
        float turn = StepCount * 0.003f;
        Vector3 middle = s_size / 2;
        Vector3 eye = middle + new Vector3(MathF.Sin(turn) * 120, 50, MathF.Cos(turn) * 120);
        return new Camera(eye, middle, aspect);
    }

    protected override void Play(in Controls controls, WorkerPool pool)
    {
        for (int agent = Math.Min(Rules.Spawn, _agents - Store.Count(ThingKind.Actor)); agent > 0; agent--)
            Spawn(new Vector3(Next() * s_size.X, 2, Next() * 8));

        Grid grid = MakeGrid(pool);
        Shoot(controls);
        Hit(grid);
        FlockJob flock = new() { Level = this, Grid = grid, Goal = Goal() };
        pool.Run(ref flock, grid.Order.Length);
        for (int index = Store.Count(ThingKind.Actor) - 1; index >= 0; index--)
        {
            if (Store.At(ThingKind.Actor, index).Life == 0)
                Store.RemoveAt(ThingKind.Actor, index);
        }
    }

    protected override bool TryDraw(int index, in Camera camera, out Sprite sprite)
    {
        ref Thing agent = ref Store.At(ThingKind.Actor, index);
        sprite = new Sprite(agent.Position, Quaternion.Identity, new Vector3(agent.Size / 2), agent.Color);
        return camera.Sees(agent.Position, agent.Size);
    }

    private static int CellOf(Vector3 position)
    {
        int x = Math.Clamp((int)(position.X / Cell), 0, CellsX - 1);
        int y = Math.Clamp((int)(position.Y / Cell), 0, CellsY - 1);
        int z = Math.Clamp((int)(position.Z / Cell), 0, CellsZ - 1);
        return (((z * CellsY) + y) * CellsX) + x;
    }

    /// <summary>Where the swarm would like to be.</summary>
    private Vector3 Goal()
    {
        float turn = StepCount * 0.01f;
        Vector3 offset = new(MathF.Sin(turn) * 60, MathF.Sin(turn * 2.3f) * 12, MathF.Cos(turn * 0.7f) * 60);
        return (s_size / 2) + offset;
    }

    private void Spawn(Vector3 position)
    {
        ref Thing agent = ref Store.Add(ThingKind.Actor);
        agent.Position = position;
        agent.Velocity = new Vector3(Next() - 0.5f, Next() - 0.5f, Next() - 0.5f) * 20;
        agent.Size = 0.8f;
        agent.Life = 1;
        agent.Color = 0xFF40A0F0 + ((uint)Next(64) << 8);
    }

    /// <summary>Sorts the agents by cells: all workers find the cells, one counts.</summary>
    private Grid MakeGrid(WorkerPool pool)
    {
        int count = Store.Count(ThingKind.Actor);
        Grid grid = new()
        {
            Starts = Store.Scratch<int>(0, CellCount + 1),
            Order = Store.Scratch<int>(0, count),
            Positions = Store.Scratch<Vector3>(0, count),
            Velocities = Store.Scratch<Vector3>(0, count),
        };
        CellJob cells = new() { Level = this, Cells = Store.Scratch<int>(0, count) };
        pool.Run(ref cells, count);
        Span<int> starts = grid.Starts.Span;
        Span<int> cellOf = cells.Cells.Span;
        starts.Clear();
        foreach (int cell in cellOf)
            starts[cell + 1]++;

        for (int cell = 0; cell < CellCount; cell++)
            starts[cell + 1] += starts[cell];

        // Each start moves to its cell's end while agents are put in, and back when all are.
        Span<int> order = grid.Order.Span;
        for (int index = 0; index < count; index++)
            order[starts[cellOf[index]]++] = index;

        for (int cell = CellCount - 1; cell > 0; cell--)
            starts[cell] = starts[cell - 1];

        starts[0] = 0;
        CopyJob copy = new() { Level = this, Grid = grid };
        pool.Run(ref copy, count);
        return grid;
    }

    private void Shoot(in Controls controls)
    {
        int wanted = controls.IsPlayed ? (controls.Fires ? 6 : 0) : 3;
        for (int shot = 0; shot < wanted && Store.Count(ThingKind.Shot) < MostShots; shot++)
        {
            Vector3 from = new(s_size.X * Next(), 1, s_size.Z * Next());
            Vector3 aim = controls.IsPlayed
                ? (s_size / 2) + (new Vector3(controls.Aim.X, controls.Aim.Y, 0) * s_size / 2)
                : Goal();
            ref Thing added = ref Store.Add(ThingKind.Shot);
            added.Position = from;
            added.Velocity = Vector3.Normalize(aim - from) * Rules.Power;
            added.Size = 1;
            added.Life = 150;
            added.Color = 0xFF30F0F0;
        }

        for (int index = Store.Count(ThingKind.Shot) - 1; index >= 0; index--)
        {
            ref Thing shot = ref Store.At(ThingKind.Shot, index);
            shot.Position += shot.Velocity * StepSeconds;
            if (--shot.Life <= 0)
                Store.RemoveAt(ThingKind.Shot, index);
        }
    }

    private void Hit(in Grid grid)
    {
        Span<int> starts = grid.Starts.Span;
        Span<int> order = grid.Order.Span;
        for (int index = Store.Count(ThingKind.Shot) - 1; index >= 0; index--)
        {
            Vector3 at = Store.At(ThingKind.Shot, index).Position;
            int cell = CellOf(at);
            for (int slot = starts[cell]; slot < starts[cell + 1]; slot++)
            {
                ref Thing agent = ref Store.At(ThingKind.Actor, order[slot]);
                if (agent.Life == 1 && Vector3.DistanceSquared(agent.Position, at) < ShotReach * ShotReach)
                {
                    agent.Life = 0;
                    Score += Setup.Script.Hit(0);
                    Burst(at, 6, 0xFF2080FF, 12);
                }
            }
        }
    }

    /// <summary>Agents by cells, and copies of what their neighbours look at.</summary>
    private struct Grid
    {
        public Table<int> Starts;
        public Table<int> Order;
        public Table<Vector3> Positions;
        public Table<Vector3> Velocities;
    }

    private struct CellJob : IRangeJob
    {
        public Swarm<TStore> Level;
        public Table<int> Cells;

        public readonly void Execute(int start, int end, int worker)
        {
            Span<int> cells = Cells.Span;
            for (int index = start; index < end; index++)
                cells[index] = CellOf(Level.Store.At(ThingKind.Actor, index).Position);
        }
    }

    private struct CopyJob : IRangeJob
    {
        public Swarm<TStore> Level;
        public Grid Grid;

        public readonly void Execute(int start, int end, int worker)
        {
            Span<int> order = Grid.Order.Span;
            Span<Vector3> positions = Grid.Positions.Span;
            Span<Vector3> velocities = Grid.Velocities.Span;
            for (int slot = start; slot < end; slot++)
            {
                ref Thing agent = ref Level.Store.At(ThingKind.Actor, order[slot]);
                positions[slot] = agent.Position;
                velocities[slot] = agent.Velocity;
            }
        }
    }

    private struct FlockJob : IRangeJob
    {
        public Swarm<TStore> Level;
        public Grid Grid;
        public Vector3 Goal;

        public readonly void Execute(int start, int end, int worker)
        {
            Span<int> order = Grid.Order.Span;
            Span<int> starts = Grid.Starts.Span;
            Span<Vector3> positions = Grid.Positions.Span;
            Span<Vector3> velocities = Grid.Velocities.Span;
            for (int slot = start; slot < end; slot++)
            {
                ref Thing agent = ref Level.Store.At(ThingKind.Actor, order[slot]);
                Vector3 steer = Steer(slot, agent.Velocity, starts, positions, velocities);
                Vector3 velocity = agent.Velocity + (steer * StepSeconds);
                float speed = velocity.Length();
                velocity *= Math.Clamp(speed, 6, 22) / MathF.Max(speed, 0.001f);
                agent.Velocity = velocity;
                agent.Position = Vector3.Clamp(agent.Position + (velocity * StepSeconds), Vector3.Zero, s_size);
            }
        }

        private readonly Vector3 Steer(
            int slot, Vector3 velocity, Span<int> starts, Span<Vector3> positions, Span<Vector3> velocities)
        {
            Vector3 at = positions[slot];
            Vector3 apart = default, middle = default, along = default;
            int near = 0;
            int looks = 0;
            int x = Math.Clamp((int)(at.X / Cell), 1, CellsX - 2);
            int y = Math.Clamp((int)(at.Y / Cell), 1, CellsY - 2);
            int z = Math.Clamp((int)(at.Z / Cell), 1, CellsZ - 2);
            for (int row = 0; row < 9 && near < MostNeighbors && looks < MostLooks; row++)
            {
                // Cells side by side lie side by side in the sorted copies.
                int cell = ((((z + (row / 3) - 1) * CellsY) + y + (row % 3) - 1) * CellsX) + x;
                int end = starts[cell + 2];
                for (int other = starts[cell - 1]; other < end && near < MostNeighbors && looks < MostLooks; other++)
                {
                    looks++;
                    Vector3 offset = at - positions[other];
                    float squared = offset.LengthSquared();
                    if (other == slot || squared > Cell * Cell)
                        continue;

                    near++;
                    apart += offset / (squared + 0.1f);
                    middle += positions[other];
                    along += velocities[other];
                }
            }

            Vector3 steer = Vector3.Normalize(Goal - at) * 6;
            return near == 0
                ? steer
                : steer + (apart * 10) + (((middle / near) - at) * 1.5f) + (((along / near) - velocity) * 2);
        }
    }
}
