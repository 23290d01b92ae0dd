// The destructible city.
using System.Numerics;
using Samples.Game.Showing;
using SuperSlab.Scenes;

namespace Samples.Game.Levels;

/// <summary>
/// Buildings of cells. Shells break cells out of them; what no longer stands on the ground falls as debris. The script
/// says when the most damaged building is built again.
/// </summary>
internal sealed class City<TStore>(LevelSetup setup, TStore store) : Level<TStore>(setup, store)
    where TStore : struct, IStore
{
    private const int Side = 10;
    private const int Width = 6;
    private const int MostFloors = 20;
    private const int Layer = Width * Width;
    private const int CellsOfBuilding = Layer * MostFloors;
    private const int CellCount = Side * Side * CellsOfBuilding;
    private const float Pitch = 10;
    private const float Reach = 2.3f;
    private const int MostShells = 64;
    private const int MostDebris = 6000;
    private static readonly Vector3 s_middle = new(Side * Pitch / 2, 0, Side * Pitch / 2);

    private Table<byte> _cells;
    private Table<byte> _floors;
    private Table<int> _missing;

    /// <summary>Of debris, shells and sparks, as many as there can be.</summary>
    public static int[] Capacities => [MostDebris, MostShells, MostParticles];

    protected override int DrawCount => Store.Count(ThingKind.Actor) + CellCount;

    protected override Sprite Ground =>
        new(s_middle - new Vector3(0, 0.5f, 0), Quaternion.Identity, new Vector3(70, 0.5f, 70), 0xFF506050);

    public override void Build()
    {
        int floors = Math.Min(Setup.Saves.Setting("city", "floors"), MostFloors);
        _cells = Store.Keep<byte>(CellCount);
        _floors = Store.Keep<byte>(Side * Side);
        _missing = Store.Keep<int>(Side * Side);
        for (int building = 0; building < Side * Side; building++)
        {
            _floors.Span[building] = (byte)(3 + Next(floors - 2));
            BuildAgain(building);
        }
    }

    public override Camera Camera(float aspect)
    {
        float turn = StepCount * 0.002f;
        Vector3 eye = s_middle + new Vector3(MathF.Sin(turn) * 75, 48, MathF.Cos(turn) * 75);
        return new Camera(eye, s_middle + new Vector3(0, 4, 0), aspect);
    }

    public override uint Hash()
    {
        uint hash = base.Hash();
        foreach (byte cell in _cells.Span)
            hash = Fold(hash, cell);

        return hash;
    }

    protected override void Play(in Controls controls, WorkerPool pool)
    {
        Fire(controls);
        for (int index = Store.Count(ThingKind.Shot) - 1; index >= 0; index--)
        {
            ref Thing shell = ref Store.At(ThingKind.Shot, index);
            shell.Velocity.Y -= 12 * StepSeconds;
            shell.Position += shell.Velocity * StepSeconds;
            bool isHit = shell.Position.Y <= 0 || TryFind(shell.Position, out _, out _);
            if (isHit)
                Explode(shell.Position);

            if (isHit || --shell.Life <= 0)
                Store.RemoveAt(ThingKind.Shot, index);
        }

        MoveDebris();
        if (Rules.Spawn > 0)
            BuildWorstAgain();
    }

    protected override bool TryDraw(int index, in Camera camera, out Sprite sprite)
    {
        if (index >= CellCount)
        {
            ref Thing debris = ref Store.At(ThingKind.Actor, index - CellCount);
            sprite = new Sprite(debris.Position, Quaternion.Identity, new Vector3(debris.Size / 2), debris.Color);
            return camera.Sees(debris.Position, debris.Size);
        }

        int building = index / CellsOfBuilding;
        int cell = index % CellsOfBuilding;
        if (_cells.Span[index] == 0 || IsHidden(index, cell))
        {
            sprite = default;
            return false;
        }

        Vector3 at = PositionOf(building, cell);
        sprite = new Sprite(at, Quaternion.Identity, new Vector3(0.5f), ColorOf(building, cell));
        return camera.Sees(at, 1);
    }

    private static uint ColorOf(int building, int cell)
    {
        uint shade = 0x60 + ((uint)(building * 37) % 0x60);
        bool isWindow = cell / Layer % 2 == 1 && cell % 2 == 1;
        return isWindow ? 0xFF303838 : 0xFF000000 | (shade << 16) | (shade << 8) | (shade + 0x20);
    }

    private static Vector3 PositionOf(int building, int cell) => new(
        (building % Side * Pitch) + 2.5f + (cell % Width),
        0.5f + (cell / Layer),
        (building / Side * Pitch) + 2.5f + (cell % Layer / Width));

    /// <summary>The building and the cell in it that a point lies in, if the cell stands.</summary>
    private bool TryFind(Vector3 at, out int building, out int cell)
    {
        (int column, int row) = ((int)MathF.Floor(at.X / Pitch), (int)MathF.Floor(at.Z / Pitch));
        int x = (int)MathF.Floor(at.X - (column * Pitch) - 2);
        int z = (int)MathF.Floor(at.Z - (row * Pitch) - 2);
        int floor = (int)MathF.Floor(at.Y);
        bool isInside = column is >= 0 and < Side && row is >= 0 and < Side && x is >= 0 and < Width
            && z is >= 0 and < Width && floor is >= 0 and < MostFloors;
        building = isInside ? (row * Side) + column : 0;
        cell = isInside ? (floor * Layer) + (z * Width) + x : 0;
        return isInside && _cells.Span[(building * CellsOfBuilding) + cell] != 0;
    }

    private bool IsHidden(int index, int cell)
    {
        Span<byte> cells = _cells.Span;
        (int x, int z, int floor) = (cell % Width, cell % Layer / Width, cell / Layer);
        return x is > 0 and < Width - 1 && z is > 0 and < Width - 1 && floor < MostFloors - 1
            && cells[index + 1] + cells[index - 1] + cells[index + Width] + cells[index - Width] == 4
            && cells[index + Layer] == 1 && (floor == 0 || cells[index - Layer] == 1);
    }

    private void Fire(in Controls controls)
    {
        bool fires = controls.IsPlayed ? controls.Fires : StepCount % 6 == 0;
        if (!fires || Store.Count(ThingKind.Shot) == MostShells)
            return;

        float angle = Next() * MathF.Tau;
        Vector3 from = s_middle + new Vector3(MathF.Sin(angle) * 70, 30, MathF.Cos(angle) * 70);
        Vector3 to = controls.IsPlayed
            ? s_middle + new Vector3(controls.Aim.X * 50, 4, controls.Aim.Y * -50)
            : new Vector3(Next() * Side * Pitch, 1 + (Next() * 8), Next() * Side * Pitch);
        ref Thing shell = ref Store.Add(ThingKind.Shot);
        shell.Position = from;
        shell.Velocity = Vector3.Normalize(to - from) * Rules.Power;
        shell.Size = 1;
        shell.Life = 300;
        shell.Color = 0xFF20E0FF;
    }

    private void Explode(Vector3 at)
    {
        Burst(at, 40, 0xFF20A0FF, 16);
        int reach = (int)MathF.Ceiling(Reach);
        int touched = -1;
        for (int step = 0; step < (2 * reach + 1) * (2 * reach + 1) * (2 * reach + 1); step++)
        {
            Vector3 offset = new(
                (step % (2 * reach + 1)) - reach,
                (step / (2 * reach + 1) % (2 * reach + 1)) - reach,
                (step / (2 * reach + 1) / (2 * reach + 1)) - reach);
            if (offset.LengthSquared() > Reach * Reach || !TryFind(at + offset, out int building, out int cell))
                continue;

            Break(building, cell, (offset * 4) + new Vector3(0, 4 + (Next() * 4), 0));
            touched = building;
        }

        if (touched >= 0)
            LetFall(touched);
    }

    private void Break(int building, int cell, Vector3 velocity)
    {
        _cells.Span[(building * CellsOfBuilding) + cell] = 0;
        _missing.Span[building]++;
        Score += Setup.Script.Hit(cell / Layer);
        if (Store.Count(ThingKind.Actor) == MostDebris)
            return;

        ref Thing debris = ref Store.Add(ThingKind.Actor);
        debris.Position = PositionOf(building, cell);
        debris.Velocity = velocity;
        debris.Size = 0.8f;
        debris.Life = 200 + Next(100);
        debris.Color = ColorOf(building, cell);
    }

    /// <summary>What is not held up from the ground by its neighbours falls.</summary>
    private void LetFall(int building)
    {
        Span<byte> cells = _cells.Span.Slice(building * CellsOfBuilding, CellsOfBuilding);
        Span<byte> isHeld = Store.Scratch<byte>(0, CellsOfBuilding).Span;
        Span<short> stack = Store.Scratch<short>(0, CellsOfBuilding).Span;
        isHeld.Clear();
        int count = 0;
        for (int cell = 0; cell < Layer; cell++)
            Hold(cells, isHeld, stack, ref count, cell);

        while (count > 0)
        {
            int cell = stack[--count];
            (int x, int z, int floor) = (cell % Width, cell % Layer / Width, cell / Layer);
            Hold(cells, isHeld, stack, ref count, x > 0 ? cell - 1 : cell);
            Hold(cells, isHeld, stack, ref count, x < Width - 1 ? cell + 1 : cell);
            Hold(cells, isHeld, stack, ref count, z > 0 ? cell - Width : cell);
            Hold(cells, isHeld, stack, ref count, z < Width - 1 ? cell + Width : cell);
            Hold(cells, isHeld, stack, ref count, floor > 0 ? cell - Layer : cell);
            Hold(cells, isHeld, stack, ref count, floor < MostFloors - 1 ? cell + Layer : cell);
        }

        for (int cell = 0; cell < CellsOfBuilding; cell++)
        {
            if (cells[cell] != 0 && isHeld[cell] == 0)
                Break(building, cell, new Vector3(Next() - 0.5f, 0, Next() - 0.5f));
        }
    }

    private static void Hold(Span<byte> cells, Span<byte> isHeld, Span<short> stack, ref int count, int cell)
    {
        if (cells[cell] == 0 || isHeld[cell] != 0)
            return;

        isHeld[cell] = 1;
        stack[count++] = (short)cell;
    }

    private void MoveDebris()
    {
        for (int index = Store.Count(ThingKind.Actor) - 1; index >= 0; index--)
        {
            ref Thing debris = ref Store.At(ThingKind.Actor, index);
            debris.Velocity.Y -= 9.81f * StepSeconds;
            debris.Position += debris.Velocity * StepSeconds;
            if (debris.Position.Y < debris.Size / 2)
            {
                debris.Position.Y = debris.Size / 2;
                debris.Velocity *= new Vector3(0.6f, -0.3f, 0.6f);
            }

            if (--debris.Life <= 0)
                Store.RemoveAt(ThingKind.Actor, index);
        }
    }

    private void BuildWorstAgain()
    {
        Span<int> missing = _missing.Span;
        int worst = 0;
        for (int building = 1; building < missing.Length; building++)
            worst = missing[building] > missing[worst] ? building : worst;

        BuildAgain(worst);
    }

    private void BuildAgain(int building)
    {
        _missing.Span[building] = 0;
        int count = _floors.Span[building] * Layer;
        _cells.Span.Slice(building * CellsOfBuilding, count).Fill(1);
    }
}
