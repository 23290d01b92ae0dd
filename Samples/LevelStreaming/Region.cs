// One half of a level, and what lives there.
using System.Runtime.InteropServices;

namespace Samples.LevelStreaming;

/// <summary>
/// One half of a level, moved on by one worker: grass grows, grazers walk to where most of it is, eat and split,
/// hunters eat grazers, the dead lie until they are grass. Who walks over the eastern or western edge goes to the other
/// region, after the frame's join.
/// </summary>
internal struct Region
{
    private const int RemainsFrames = 40;
    private readonly LevelSpec _spec;
    private uint _random;

    public Region(LevelSpec spec, uint seed)
    {
        _spec = spec;
        _random = seed == 0 ? 1 : seed;
    }

    /// <summary>Living animals and remains.</summary>
    public int Count { get; set; }

    /// <summary>Animals that left the region in this frame: they stand behind the others in the list.</summary>
    public int Leaving { get; private set; }

    /// <summary>Everything that was ever born here.</summary>
    public long Born { get; private set; }

    /// <summary>Everything that ever went.</summary>
    public long Gone { get; private set; }

    /// <summary>The level begins: grass and the first animals.</summary>
    public void Populate<TStore, TAnimal>(TStore store, int region)
        where TStore : ILevelStore<TAnimal>
    {
        Span<float> grass = store.Grass(region);
        foreach (ref float cell in grass)
            cell = Next() % 1000 / 1000f;

        for (int index = 0; index < _spec.Grazers + _spec.Hunters; index++)
        {
            BodyKind kind = index < _spec.Grazers ? BodyKind.Grazer : BodyKind.Hunter;
            Add<TStore, TAnimal>(
                store, store.Animals(region),
                new Body { Kind = kind, Cell = (int)(Next() % (uint)_spec.Cells), Energy = 1 });
        }
    }

    /// <summary>One step of the world.</summary>
    /// <param name="leaving">Where those who leave are put.</param>
    public void Step<TStore, TAnimal>(TStore store, int region, int worker, Span<TAnimal> leaving)
        where TStore : ILevelStore<TAnimal>
    {
        Span<TAnimal> animals = store.Animals(region);
        Span<float> grass = store.Grass(region);
        Grow(grass);

        // Prey by cell: the first grazer of each cell, and behind each the next one.
        Span<int> first = store.Scratch(worker, _spec.Cells);
        Span<int> next = store.Scratch(worker, Count);
        first.Fill(-1);
        for (int index = 0; index < Count; index++)
        {
            ref Body body = ref store.BodyOf(animals[index]);
            if (body.Kind == BodyKind.Grazer)
            {
                next[index] = first[body.Cell];
                first[body.Cell] = index;
            }
        }

        int before = Count;
        for (int index = 0; index < before; index++)
        {
            ref Body body = ref store.BodyOf(animals[index]);
            body.Age++;
            switch (body.Kind)
            {
                case BodyKind.Grazer:
                    Graze<TStore, TAnimal>(store, animals, ref body, grass);
                    break;
                case BodyKind.Hunter:
                    Hunt<TStore, TAnimal>(store, animals, ref body, first, next);
                    break;
                default:
                    grass[Math.Clamp(body.Cell, 0, grass.Length - 1)] += 0.01f;
                    break;
            }
        }

        Sort<TStore, TAnimal>(store, animals, leaving);
    }

    /// <summary>Takes an animal in that came over the edge; it goes where there is no room.</summary>
    public void Welcome<TStore, TAnimal>(TStore store, int region, TAnimal animal)
        where TStore : ILevelStore<TAnimal>
    {
        if (Count == _spec.Limit)
        {
            Gone++;
            store.Despawn(animal);
            return;
        }

        ref Body body = ref store.BodyOf(animal);
        body.Cell = ((body.Cell % _spec.Cells) + _spec.Cells) % _spec.Cells;
        store.Animals(region)[Count++] = animal;
    }

    /// <summary>A number made of all that lives here: the same for all who did the same work.</summary>
    public readonly uint Checksum<TStore, TAnimal>(TStore store, int region, uint sum)
        where TStore : ILevelStore<TAnimal>
    {
        foreach (TAnimal animal in store.Animals(region)[..Count])
        {
            ref Body body = ref store.BodyOf(animal);
            Span<byte> genes = store.GenesOf(animal);
            sum = ((sum ^ (uint)body.Cell) * 16777619) ^ body.Random;
            sum = ((sum ^ (uint)body.Age) * 16777619) ^ genes[0] ^ genes[^1];
        }

        return sum;
    }

    private readonly void Grow(Span<float> grass)
    {
        foreach (ref float cell in grass)
            cell = Math.Min(cell + _spec.Growth, 1);
    }

    private void Graze<TStore, TAnimal>(TStore store, Span<TAnimal> animals, ref Body body, Span<float> grass)
        where TStore : ILevelStore<TAnimal>
    {
        int cell = body.Cell;
        int best = cell + ((Next(ref body) & 1) == 0 ? 1 : -1);
        foreach (int step in (ReadOnlySpan<int>)[_spec.Width, -_spec.Width])
        {
            int other = cell + step;
            if ((uint)other < (uint)grass.Length && ((uint)best >= (uint)grass.Length || grass[other] > grass[best]))
                best = other;
        }

        float eaten = Math.Min(grass[cell], 0.2f);
        grass[cell] -= eaten;
        body.Energy += eaten - 0.06f;
        if (grass[cell] < 0.2f)
            body.Cell = best;

        if (body.Energy > 2 && (uint)body.Cell < (uint)_spec.Cells)
        {
            body.Energy /= 2;
            Add<TStore, TAnimal>(
                store, animals, new Body { Kind = BodyKind.Grazer, Cell = body.Cell, Energy = body.Energy });
        }
    }

    private void Hunt<TStore, TAnimal>(
        TStore store, Span<TAnimal> animals, ref Body body, Span<int> first, Span<int> next)
        where TStore : ILevelStore<TAnimal>
    {
        body.Energy -= 0.02f;
        int prey = first[body.Cell];
        while (prey >= 0 && store.BodyOf(animals[prey]).Energy <= 0)
            prey = next[prey];

        if (prey >= 0)
        {
            body.Energy += 0.5f;
            store.BodyOf(animals[prey]).Energy = -1;
        }
        else
        {
            int step = (Next(ref body) & 3) switch { 0 => 1, 1 => -1, 2 => _spec.Width, _ => -_spec.Width };
            body.Cell = ((body.Cell + step) % _spec.Cells + _spec.Cells) % _spec.Cells;
        }

        if (body.Energy > 3)
        {
            body.Energy /= 2;
            Add<TStore, TAnimal>(
                store, animals, new Body { Kind = BodyKind.Hunter, Cell = body.Cell, Energy = body.Energy });
        }
    }

    /// <summary>Takes the dead and those who leave out of the list; the order of the others stays.</summary>
    private void Sort<TStore, TAnimal>(TStore store, Span<TAnimal> animals, Span<TAnimal> leaving)
        where TStore : ILevelStore<TAnimal>
    {
        int kept = 0;
        Leaving = 0;
        for (int index = 0; index < Count; index++)
        {
            TAnimal animal = animals[index];
            ref Body body = ref store.BodyOf(animal);
            if (body.Kind == BodyKind.Remains
                ? body.Age > RemainsFrames
                : body.Energy <= 0 && body.Kind == BodyKind.Hunter)
            {
                Gone++;
                store.Despawn(animal);
                continue;
            }

            if (body.Kind == BodyKind.Grazer && body.Energy <= 0)
            {
                body.Kind = BodyKind.Remains;
                body.Age = 0;
            }

            if ((uint)body.Cell >= (uint)_spec.Cells)
            {
                leaving[Leaving++] = animal;
                continue;
            }

            animals[kept++] = animal;
        }

        Count = kept;
    }

    private void Add<TStore, TAnimal>(TStore store, Span<TAnimal> animals, Body body)
        where TStore : ILevelStore<TAnimal>
    {
        if (Count == _spec.Limit)
            return;

        body.Random = Next();
        body.GeneBytes = 16 + (int)(body.Random % (uint)_spec.GeneBytes);
        TAnimal animal = store.Spawn(body);
        Span<byte> genes = store.GenesOf(animal);
        genes[0] = (byte)body.Random;
        genes[^1] = (byte)(body.Random >> 8);
        animals[Count++] = animal;
        Born++;
    }

    private uint Next() => _random = Scramble(_random);
    private static uint Next(ref Body body) => body.Random = Scramble(body.Random);

    /// <summary>
    /// G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003: the triple 13, 17, 5.
    /// </summary>
    private static uint Scramble(uint random)
    {
        random = random == 0 ? 2463534242 : random;
        random ^= random << 13;
        random ^= random >> 17;
        return random ^ (random << 5);
    }
}

/// <summary>What every animal has, with each contestant.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Body
{
    public BodyKind Kind;
    public int Cell;
    public float Energy;
    public int Age;

    /// <summary>The length of its genes in bytes: the second block that an animal has.</summary>
    public int GeneBytes;
    public uint Random;
}

/// <summary>What lives in a level.</summary>
internal enum BodyKind
{
    /// <summary>Eats grass, goes where most of it is, and splits when it has eaten enough.</summary>
    Grazer,

    /// <summary>Eats grazers in its cell.</summary>
    Hunter,

    /// <summary>Lies there until it has become grass.</summary>
    Remains,
}
