using System.Diagnostics.Metrics;

namespace SuperSlab.Diagnostics;

/// <summary>
/// The memory's numbers as instruments of System.Diagnostics.Metrics, for OpenTelemetry and the .NET tools: names, units and attributes
/// follow OpenTelemetry's conventions. Instruments are observed: nothing is done, and nothing costs, until a listener asks; then it is
/// done on the listener's thread, by a snapshot that is shared by all instruments of a collection. Made at start-up; any thread.
/// <code>
/// using MemoryMeter meter = new(memory);      // OpenTelemetry: .AddMeter(MemoryMeter.Name)
/// </code>
/// </summary>
public sealed class MemoryMeter : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string Name = "SuperSlab";

    private const long SharedMilliseconds = 50;

    private readonly EngineMemory _memory;
    private readonly SnapshotRoom _room = new();
    private readonly Lock _lock = new();
    private readonly Meter _meter = new(Name);
    private Readings _readings = new();
    private bool _disposed;

    /// <summary>Makes the instruments.</summary>
    /// <param name="memory">Whose numbers they tell; once it is disposed they tell nothing.</param>
    public MemoryMeter(EngineMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        Level("superslab.superslab.count", "{superslab}", "SuperSlabs of 2 MiB, by state.", readings => readings.SuperSlabs);
        Level("superslab.metadata.size", "By", "Resident bytes of the allocator's own tables.", readings => readings.Metadata);
        Total("superslab.os.calls", "{call}", "Calls to the system's memory functions.", readings => readings.OsCalls);
        Level("superslab.arena.size", "By", "SuperSlab bytes that an arena holds.", readings => readings.ArenaSizes);
        Level("superslab.arena.live", "By", "Bytes of blocks that callers hold.", readings => readings.ArenaLive);
        Level("superslab.arena.cached", "By", "Bytes of free blocks in thread caches.", readings => readings.ArenaCached);
        Level("superslab.arena.limit", "By", "An arena's budgets, where it has any.", readings => readings.ArenaLimits);
        Total("superslab.arena.overruns", "{overrun}", "How often an arena wanted more than a budget.", readings => readings.ArenaOverruns);
        Total("superslab.arena.overflows", "{overflow}", "How often a lane of a frame arena needed more than its share.", readings => readings.ArenaOverflows);
        Level("superslab.tag.live", "By", "Bytes allocated less bytes freed under a tag.", readings => readings.TagLive);
        Level("superslab.tag.limit", "By", "A tag's budget, where it has one.", readings => readings.TagLimits);
        Total("superslab.tag.allocations", "{allocation}", "Blocks allocated under a tag.", readings => readings.TagAllocations);
        Total("superslab.tag.allocated", "By", "Bytes allocated under a tag.", readings => readings.TagAllocated);
    }

    /// <summary>Takes the instruments away. A second call does nothing.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _readings = new Readings();
        }

        _meter.Dispose();
    }

    private void Level(string name, string unit, string description, Func<Readings, List<Measurement<long>>> values) =>
        _meter.CreateObservableUpDownCounter(name, () => values(Read()), unit, description);

    private void Total(string name, string unit, string description, Func<Readings, List<Measurement<long>>> values) =>
        _meter.CreateObservableCounter(name, () => values(Read()), unit, description);

    /// <summary>A collection asks all instruments within a moment; they tell of one snapshot.</summary>
    private Readings Read()
    {
        lock (_lock)
        {
            if (_disposed || !_memory.Work.TryEnter(out WorkGate.Entry work, marks: false))
            {
                // A listener's collection is no place to be told that the memory is gone: there is nothing to tell of any more.
                return new Readings();
            }

            using (work)
            {
                if (Environment.TickCount64 - _readings.Taken > SharedMilliseconds)
                    _readings = new Readings(_room.Take(_memory));

                return _readings;
            }
        }
    }

    /// <summary>A snapshot as measurements.</summary>
    private sealed class Readings
    {
        public Readings()
        {
        }

        public Readings(MemorySnapshot snapshot)
        {
            Taken = Environment.TickCount64;
            SuperSlabs.Add(new(snapshot.Totals.OwnedSuperSlabs, Attribute("state", "owned")));
            SuperSlabs.Add(new(snapshot.Totals.ReadySuperSlabs, Attribute("state", "ready")));
            Metadata.Add(new((long)snapshot.Totals.MetadataBytes));
            OsCalls.Add(new(snapshot.Totals.OsCalls));
            foreach (ref readonly SnapshotArena arena in snapshot.Arenas)
                Add(arena);

            foreach (ref readonly SnapshotTag tag in snapshot.Tags)
                Add(tag);
        }

        public long Taken { get; } = long.MinValue / 2;

        public List<Measurement<long>> SuperSlabs { get; } = [];

        public List<Measurement<long>> Metadata { get; } = [];

        public List<Measurement<long>> OsCalls { get; } = [];

        public List<Measurement<long>> ArenaSizes { get; } = [];

        public List<Measurement<long>> ArenaLive { get; } = [];

        public List<Measurement<long>> ArenaCached { get; } = [];

        public List<Measurement<long>> ArenaLimits { get; } = [];

        public List<Measurement<long>> ArenaOverruns { get; } = [];

        public List<Measurement<long>> ArenaOverflows { get; } = [];

        public List<Measurement<long>> TagLive { get; } = [];

        public List<Measurement<long>> TagLimits { get; } = [];

        public List<Measurement<long>> TagAllocations { get; } = [];

        public List<Measurement<long>> TagAllocated { get; } = [];

        private static KeyValuePair<string, object?> Attribute(string name, string value) => new(name, value);

        private void Add(in SnapshotArena arena)
        {
            KeyValuePair<string, object?> name = Attribute("arena", arena.Name.ToString());
            ArenaSizes.Add(new((long)arena.SuperSlabs << SlabGeometry.SuperSlabShift, name));
            ArenaLive.Add(new((long)arena.LiveBytes, name));
            if (arena.IsFrame)
            {
                ArenaOverflows.Add(new(arena.Overflows, name));
                return;
            }

            ArenaCached.Add(new((long)arena.CachedBytes, name));
            AddLimit(name, "soft", arena.SoftBudget, arena.SoftOverruns);
            AddLimit(name, "hard", arena.HardBudget, arena.HardOverruns);
        }

        private void AddLimit(KeyValuePair<string, object?> arena, string limit, nuint bytes, long overruns)
        {
            if (bytes != 0)
            {
                ArenaLimits.Add(new((long)bytes, arena, Attribute("limit", limit)));
                ArenaOverruns.Add(new(overruns, arena, Attribute("limit", limit)));
            }
        }

        private void Add(in SnapshotTag tag)
        {
            KeyValuePair<string, object?> name = Attribute("tag", tag.Name.ToString());
            TagLive.Add(new(tag.LiveBytes, name));
            TagAllocations.Add(new(tag.Allocations, name));
            TagAllocated.Add(new(tag.AllocatedBytes, name));
            if (tag.BudgetBytes != 0)
                TagLimits.Add(new((long)tag.BudgetBytes, name));
        }
    }
}
