using SuperSlab.Diagnostics;

namespace Samples.LevelStreaming.Contestants;

/// <summary>Where a contestant's levels come from: in the background, two ahead.</summary>
internal interface ILevelSource<TStore> : IDisposable
{
    /// <summary>Begins to make a level of the ring ready. In the hot loop.</summary>
    void Prepare(int ring);

    /// <summary>The level, waited for if it is not ready. Between frames.</summary>
    TStore Enter(int ring);

    /// <summary>The level is over and cleared; its memory may go. Between frames.</summary>
    void Leave(int ring);

    /// <summary>Tells a profile when a level was loaded and what it used; it is over and not yet cleared. Between frames.</summary>
    void Note(int ring, Profiler profiler);

    /// <summary>Waits until nothing is loading or unloading.</summary>
    void Settle();

    /// <summary>How long a level's last load took in milliseconds, and what it holds in bytes.</summary>
    (double Milliseconds, long Bytes) LoadOf(int ring);

    /// <summary>Page faults of the threads that load.</summary>
    long LoaderFaults { get; }
}
