// Levels as garbage-collected objects.
using System.Diagnostics;
using SuperSlab.Diagnostics;

namespace Samples.LevelStreaming;

/// <summary>
/// Levels as garbage-collected objects: made when they are entered, left to the collector afterwards.
/// </summary>
internal sealed class GcSource : ILevelSource<GcStore>
{
    private readonly double[] _milliseconds = new double[LevelSpec.Ring.Length];

    public long LoaderFaults => 0;

    public void Prepare(int ring)
    {
    }

    public GcStore Enter(int ring)
    {
        long start = Stopwatch.GetTimestamp();
        GcStore store = new(LevelSpec.Ring[ring]);
        _milliseconds[ring] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        return store;
    }

    public void Leave(int ring)
    {
    }

    public void Note(int ring, Profiler profiler)
    {
    }

    public void Settle()
    {
    }

    public (double Milliseconds, long Bytes) LoadOf(int ring) => (_milliseconds[ring], 0);

    public void Dispose()
    {
    }
}

/// <summary>A level in garbage-collected objects: what the same game is without a memory system.</summary>
internal sealed class GcStore(LevelSpec spec) : ILevelStore<GcStore.Animal>
{
    private readonly Animal[][] _animals = [new Animal[2 * spec.Limit], new Animal[2 * spec.Limit]];
    private readonly float[][] _grass = [new float[spec.Cells], new float[spec.Cells]];
    private readonly byte[] _terrain = Filled(spec.TerrainBytes);

    public Span<Animal> Animals(int region) => _animals[region];
    public Span<float> Grass(int region) => _grass[region];
    public Animal Spawn(in Body body) => new() { Body = body, Genes = new byte[body.GeneBytes] };

    public void Despawn(Animal animal)
    {
    }

    public ref Body BodyOf(Animal animal) => ref animal.Body;
    public Span<byte> GenesOf(Animal animal) => animal.Genes;
    public Span<int> Scratch(int worker, int count) => new int[count];
    public void BeginFrame() => _terrain[0]++;

    public void End()
    {
    }

    private static byte[] Filled(int bytes)
    {
        byte[] terrain = new byte[bytes];
        terrain.AsSpan().Fill(1);
        return terrain;
    }

    internal sealed class Animal
    {
        public Body Body;

        public required byte[] Genes { get; init; }
    }
}
