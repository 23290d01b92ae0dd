// The ring of levels: one is played while a thread in the background makes the next and takes the last apart.
using System.Collections.Concurrent;
using System.Reflection;
using Samples.Common;
using Samples.Game.Levels;
using Samples.Game.Libraries;
using SuperSlab.Interop;

namespace Samples.Game.Playing;

/// <summary>The levels.</summary>
internal enum LevelKind
{
    Towers,
    Swarm,
    City,
}

/// <summary>
/// Makes levels ahead and takes them apart behind. The game's thread makes all calls, between frames; a builder's
/// thread of the lowest priority does the work.
/// </summary>
internal sealed class LevelStream<TStore> : IDisposable
    where TStore : struct, IStore
{
    private readonly IStoreSource<TStore> _source;
    private readonly SaveGames _saves;
    private readonly uint _seed;
    private readonly int _workers;
    private readonly LevelKind[] _ring;
    private readonly Level<TStore>?[] _levels;
    private readonly Task[] _jobs;
    private readonly BlockingCollection<Task> _queue = [];
    private readonly Thread _builder;
    private readonly bool _hasPhysics;

    /// <param name="ring">The levels in their order.</param>
    public LevelStream(
        IStoreSource<TStore> source, GameLibraries libraries, LevelKind[] ring, uint seed, int workers)
    {
        (_source, _saves, _seed, _workers, _ring) = (source, libraries.Saves, seed, workers, ring);
        _hasPhysics = libraries.HasPhysics;
        _levels = new Level<TStore>?[ring.Length];
        _jobs = Array.ConvertAll(ring, _ => Task.CompletedTask);
        _builder = new Thread(Build)
        {
            IsBackground = true,
            Name = "builder",
            Priority = ThreadPriority.Lowest,
        };
        _builder.Start();
    }

    /// <summary>Begins to make a level.</summary>
    /// <param name="visit">The level's number in the order of playing; it decides its random numbers, too.</param>
    public void Prepare(int visit)
    {
        int ring = visit % _ring.Length;
        _jobs[ring].GetAwaiter().GetResult(); // it may still be taken apart
        _source.BeginLoad(ring);
        Start(ring, () => _levels[ring] = NewLevel(ring, _seed + ((uint)visit * 7919)));
    }

    /// <summary>How much of a level is made, from 0 to 1: its memory is the first half.</summary>
    public double Progress(int visit)
    {
        int ring = visit % _ring.Length;
        return _jobs[ring].IsCompleted ? 1 : _source.Progress(ring) * 0.5;
    }

    /// <summary>The level, waited for if it is not ready.</summary>
    public Level<TStore> Enter(int visit)
    {
        int ring = visit % _ring.Length;
        _jobs[ring].GetAwaiter().GetResult();
        _source.Enter(ring);
        return _levels[ring]!;
    }

    /// <summary>The level is over; the builder takes it apart.</summary>
    public void Leave(int visit)
    {
        _source.Leave(visit % _ring.Length);
        TakeApart(visit);
    }

    /// <summary>A level that was prepared and not entered, or was left, is taken apart by the builder.</summary>
    public void TakeApart(int visit)
    {
        int ring = visit % _ring.Length;
        Start(ring, () =>
        {
            _levels[ring]!.Dispose();
            _levels[ring] = null;
            _source.Close(ring);
        });
    }

    /// <summary>Waits until nothing is made or taken apart.</summary>
    public void Settle()
    {
        foreach (Task job in _jobs)
            job.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        _queue.CompleteAdding();
        _builder.Join();
        _queue.Dispose();
    }

    private void Start(int ring, Action work)
    {
        _jobs[ring] = new Task(work);
        _queue.Add(_jobs[ring]);
    }

    private void Build()
    {
        if (_hasPhysics)
            Physics.AttachThread();

        foreach (Task job in _queue.GetConsumingEnumerable())
            job.RunSynchronously();
    }

    private Level<TStore> NewLevel(int ring, uint seed)
    {
        LevelKind kind = _ring[ring];
        int[] capacities = kind switch
        {
            LevelKind.Towers => Towers<TStore>.Capacities,
            LevelKind.Swarm => Swarm<TStore>.Capacities,
            _ => City<TStore>.Capacities,
        };
        TStore store = _source.Open(ring, capacities, out NativeAllocator? allocator);
        string name = Resource.NameOf(kind, ".lua");
        LevelSetup setup = new(new Script(name, Resource.Text(name), allocator), _saves, seed, _workers);
        Level<TStore> level = kind switch
        {
            LevelKind.Towers => new Towers<TStore>(setup, store),
            LevelKind.Swarm => new Swarm<TStore>(setup, store),
            _ => new City<TStore>(setup, store),
        };
        level.Build();
        return level;
    }
}

/// <summary>The files that are in the program: scripts, plans and shaders.</summary>
internal static class Resource
{
    public static string NameOf(LevelKind kind, string ending) => EnumNames<LevelKind>.Of(kind) + ending;

    public static string Text(string name)
    {
        using StreamReader reader = new(Open(name));
        return reader.ReadToEnd();
    }

    public static byte[] Bytes(string name)
    {
        using Stream stream = Open(name);
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static Stream Open(string name) => Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
        ?? throw new RunFailedException($"'{name}' is not in this program.");
}
