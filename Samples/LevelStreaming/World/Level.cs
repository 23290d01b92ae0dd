using SuperSlab.Scenes;

namespace Samples.LevelStreaming.World;

/// <summary>A level that is being walked through: two regions, one worker each.</summary>
internal sealed class Level<TStore, TAnimal>
    where TStore : ILevelStore<TAnimal>
{
    /// <summary>The regions of a level.</summary>
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

    /// <summary>All that were ever born.</summary>
    public long Born => _regions[0].Born + _regions[1].Born;

    /// <summary>One frame.</summary>
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
            {
                _regions[other].Welcome<TStore, TAnimal>(_store, other, animal);
            }
        }
    }

    /// <summary>A number made of the whole level.</summary>
    public uint Checksum()
    {
        uint sum = 2166136261;
        for (int region = 0; region < Regions; region++)
        {
            sum = _regions[region].Checksum<TStore, TAnimal>(_store, region, sum);
        }

        return sum;
    }

    /// <summary>Ends the level: every animal goes.</summary>
    public void Clear()
    {
        for (int region = 0; region < Regions; region++)
        {
            foreach (TAnimal animal in _store.Animals(region)[.._regions[region].Count])
            {
                _store.Despawn(animal);
            }

            _regions[region].Count = 0;
        }

        _store.End();
    }

    private struct StepJob(Level<TStore, TAnimal> level) : IRangeJob
    {
        public readonly void Execute(int start, int end, int worker)
        {
            for (int region = start; region < end; region++)
            {
                level._regions[region].Step<TStore, TAnimal>(level._store, region, worker, Leaving(region));
            }
        }

        /// <summary>Behind the region's animals in its list is room for those who leave it: a list holds twice the limit.</summary>
        public readonly Span<TAnimal> Leaving(int region) => level._store.Animals(region)[level._spec.Limit..];
    }
}
