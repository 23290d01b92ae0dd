namespace Samples.LevelStreaming.World;

/// <summary>
/// The memory of one level: where animals, their genes and the frame's scratch space live. The rules of the world are written once
/// against this, and compiled for each contestant.
/// </summary>
/// <typeparam name="TAnimal">How the contestant refers to an animal.</typeparam>
internal interface ILevelStore<TAnimal>
{
    /// <summary>A region's animals: room for twice as many as its limit, the second half for those who leave it.</summary>
    Span<TAnimal> Animals(int region);

    /// <summary>The grass on each cell of a region.</summary>
    Span<float> Grass(int region);

    /// <summary>A new animal with room for its genes.</summary>
    TAnimal Spawn(in Body body);

    /// <summary>The animal is gone, and its genes.</summary>
    void Despawn(TAnimal animal);

    /// <summary>The animal's body.</summary>
    ref Body BodyOf(TAnimal animal);

    /// <summary>The animal's genes.</summary>
    Span<byte> GenesOf(TAnimal animal);

    /// <summary>Scratch space of one worker, good for this frame and the next.</summary>
    Span<int> Scratch(int worker, int count);

    /// <summary>A frame begins.</summary>
    void BeginFrame();

    /// <summary>The level ends; its animals are gone already.</summary>
    void End();
}
