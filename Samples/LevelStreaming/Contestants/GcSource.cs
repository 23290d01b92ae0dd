using System.Diagnostics;
using Samples.LevelStreaming.World;
using SuperSlab.Diagnostics;

namespace Samples.LevelStreaming.Contestants;

/// <summary>Levels as garbage-collected objects: made when they are entered, left to the collector afterwards.</summary>
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
