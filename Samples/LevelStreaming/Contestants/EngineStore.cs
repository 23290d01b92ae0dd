using Samples.LevelStreaming.World;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.LevelStreaming.Contestants;

/// <summary>A level in the engine's memory: animals, genes, lists and terrain in the scene's arena, scratch space in its frame lanes.</summary>
internal sealed unsafe class EngineStore : ILevelStore<nint>
{
    private static readonly AllocationTag s_animalsTag = AllocationTag.Register("animals");
    private static readonly AllocationTag s_groundTag = AllocationTag.Register("ground");

    private readonly Scene _scene;
    private readonly LevelSpec _spec;
    private readonly nint*[] _animals = new nint*[2];
    private readonly float*[] _grass = new float*[2];
    private readonly byte* _terrain;

    public EngineStore(Scene scene, LevelSpec spec)
    {
        _scene = scene;
        _spec = spec;
        using TagScope scope = s_groundTag.Begin();
        for (int region = 0; region < 2; region++)
        {
            _animals[region] = scene.Arena.Allocate<nint>(2L * spec.Limit);
            _grass[region] = scene.Arena.Allocate<float>((long)spec.Cells);
        }

        _terrain = scene.Arena.Allocate<byte>((long)spec.TerrainBytes);
        new Span<byte>(_terrain, spec.TerrainBytes).Fill(1);
    }

    public Span<nint> Animals(int region) => new(_animals[region], 2 * _spec.Limit);

    public Span<float> Grass(int region) => new(_grass[region], _spec.Cells);

    public nint Spawn(in Body body)
    {
        using TagScope scope = s_animalsTag.Begin();
        Animal* animal = _scene.Arena.Allocate<Animal>();
        animal->Body = body;
        animal->Genes = (byte*)_scene.Arena.Allocate((nuint)body.GeneBytes);
        return (nint)animal;
    }

    public void Despawn(nint animal)
    {
        using TagScope scope = s_animalsTag.Begin();
        _scene.Arena.Free(((Animal*)animal)->Genes);
        _scene.Arena.Free((void*)animal);
    }

    public ref Body BodyOf(nint animal) => ref ((Animal*)animal)->Body;

    public Span<byte> GenesOf(nint animal) => new(((Animal*)animal)->Genes, ((Animal*)animal)->Body.GeneBytes);

    public Span<int> Scratch(int worker, int count) => _scene.FrameArena.Lane(worker).AllocateSpan<int>(count);

    public void BeginFrame() => _scene.FrameArena.NextFrame();

    public void End()
    {
        using TagScope scope = s_groundTag.Begin();
        for (int region = 0; region < 2; region++)
        {
            _scene.Arena.Free(_animals[region]);
            _scene.Arena.Free(_grass[region]);
        }

        _scene.Arena.Free(_terrain);
    }

    private struct Animal
    {
        public Body Body;
        public byte* Genes;
    }
}
