// What a contestant offers: levels, and the memory of one.
using SuperSlab.Diagnostics;

namespace Samples.LevelStreaming;

/// <summary>Where a contestant's levels come from: in the background, two ahead.</summary>
internal interface ILevelSource<TStore> : IDisposable
{
    /// <summary>Begins to make a level of the ring ready. In the hot loop.</summary>
    void Prepare(int ring);

    /// <summary>The level, waited for if it is not ready. Between frames.</summary>
    TStore Enter(int ring);

    /// <summary>The level is over and cleared; its memory may go. Between frames.</summary>
    void Leave(int ring);

    /// <summary>
    /// Tells a profile when a level was loaded and what it used; it is over and not yet cleared. Between frames.
    /// </summary>
    void Note(int ring, Profiler profiler);

    /// <summary>Waits until nothing is loading or unloading.</summary>
    void Settle();

    /// <summary>How long a level's last load took in milliseconds, and what it holds in bytes.</summary>
    (double Milliseconds, long Bytes) LoadOf(int ring);

    /// <summary>Page faults of the threads that load.</summary>
    long LoaderFaults { get; }
}

/// <summary>
/// The memory of one level: where animals, their genes and the frame's scratch space live. The rules of the world are
/// written once against this, and compiled for each contestant.
/// </summary>
/// <typeparam name="TAnimal">How the contestant refers to an animal.</typeparam>
internal interface ILevelStore<TAnimal>
{
    /// <summary>
    /// A region's animals: room for twice as many as its limit, the second half for those who leave it.
    /// </summary>
    Span<TAnimal> Animals(int region);

    /// <summary>The grass on each cell of a region.</summary>
    Span<float> Grass(int region);

    /// <summary>A new animal with room for its genes.</summary>
    TAnimal Spawn(in Body body);

    /// <summary>The animal is gone, and its genes.</summary>
    void Despawn(TAnimal animal);

    ref Body BodyOf(TAnimal animal);

    Span<byte> GenesOf(TAnimal animal);

    /// <summary>Scratch space of one worker, good for this frame and the next.</summary>
    Span<int> Scratch(int worker, int count);

    void BeginFrame();

    /// <summary>The level ends; its animals are gone already.</summary>
    void End();
}
