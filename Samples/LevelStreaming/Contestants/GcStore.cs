using Samples.LevelStreaming.World;

namespace Samples.LevelStreaming.Contestants;

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
