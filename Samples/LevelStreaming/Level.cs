// A level, and the ring of them.
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

/// <summary>A level that is being walked through: two regions, one worker each.</summary>
internal sealed class Level<TStore, TAnimal>
    where TStore : ILevelStore<TAnimal>
{
    public const int Regions = 2;

    private readonly LevelSpec _spec;
    private readonly TStore _store;
    private readonly Region[] _regions = new Region[Regions];
    private StepJob _job;

    /// <summary>Begins a level on memory that is ready.</summary>
    public Level(LevelSpec spec, TStore store, uint seed)
    {
        _spec = spec;
        _store = store;
        _job = new StepJob(this);
        for (int region = 0; region < Regions; region++)
        {
            _regions[region] = new Region(spec, seed + (uint)region);
            _regions[region].Populate<TStore, TAnimal>(store, region);
        }
    }

    /// <summary>Animals and remains alive.</summary>
    public int Count => _regions[0].Count + _regions[1].Count;

    public long Born => _regions[0].Born + _regions[1].Born;

    public void Step(WorkerPool pool)
    {
        _store.BeginFrame();
        pool.Run(ref _job, Regions);

        // After the join, in the order of the regions: the result does not depend on who was faster.
        for (int region = 0; region < Regions; region++)
        {
            int other = (region + 1) % Regions;
            Span<TAnimal> leaving = _job.Leaving(region);
            foreach (TAnimal animal in leaving[.._regions[region].Leaving])
                _regions[other].Welcome<TStore, TAnimal>(_store, other, animal);
        }
    }

    /// <summary>A number made of the whole level.</summary>
    public uint Checksum()
    {
        uint sum = 2166136261;
        for (int region = 0; region < Regions; region++)
            sum = _regions[region].Checksum<TStore, TAnimal>(_store, region, sum);

        return sum;
    }

    /// <summary>Ends the level: every animal goes.</summary>
    public void Clear()
    {
        for (int region = 0; region < Regions; region++)
        {
            foreach (TAnimal animal in _store.Animals(region)[.._regions[region].Count])
                _store.Despawn(animal);

            _regions[region].Count = 0;
        }

        _store.End();
    }

    private struct StepJob(Level<TStore, TAnimal> level) : IRangeJob
    {
        public readonly void Execute(int start, int end, int worker)
        {
            for (int region = start; region < end; region++)
                level._regions[region].Step<TStore, TAnimal>(level._store, region, worker, Leaving(region));
        }

        /// <summary>
        /// Behind the region's animals in its list is room for those who leave it: a list holds twice the limit.
        /// </summary>
        public readonly Span<TAnimal> Leaving(int region) => level._store.Animals(region)[level._spec.Limit..];
    }
}

/// <summary>One level of the ring: how large it is and what lives there.</summary>
/// <param name="Name">Its name, and that of its plan's file.</param>
/// <param name="Width">Cells from west to east, in each of the two regions.</param>
/// <param name="Height">Cells from north to south.</param>
/// <param name="Limit">The most animals of a region.</param>
/// <param name="Grazers">Grazers of a region at the beginning.</param>
/// <param name="Hunters">Hunters of a region at the beginning.</param>
/// <param name="Growth">How fast grass grows.</param>
/// <param name="GeneBytes">The longest genes in bytes; they differ between animals.</param>
/// <param name="TerrainBytes">The terrain's size in bytes, one block.</param>
internal sealed record LevelSpec(
    string Name, int Width, int Height, int Limit, int Grazers, int Hunters, float Growth, int GeneBytes,
    int TerrainBytes)
{
    /// <summary>The ring, in the order in which it is walked.</summary>
    public static readonly LevelSpec[] Ring =
    [
        new("meadow", 48, 48, 3000, 1200, 60, 0.020f, 400, 4 << 20),
        new("forest", 64, 64, 4000, 1500, 120, 0.012f, 900, 8 << 20),
        new("desert", 96, 64, 1500, 300, 10, 0.003f, 3000, 2 << 20),
        new("jungle", 64, 64, 6000, 3000, 250, 0.030f, 700, 12 << 20),
        new("coast", 80, 40, 2500, 900, 40, 0.015f, 1500, 6 << 20),
        new("tundra", 56, 56, 2000, 600, 90, 0.006f, 5000, 3 << 20),
    ];

    /// <summary>The cells of a region.</summary>
    public int Cells => Width * Height;
}
