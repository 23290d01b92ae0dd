// The one seam between the game's rules and where its objects live: in the engine's memory, or on the managed heap.
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;
using SuperSlab;
using SuperSlab.Collections;
using SuperSlab.Scenes;

namespace Samples.Game;

/// <summary>What kinds of things a level has.</summary>
internal enum ThingKind
{
    /// <summary>Agents, blocks of towers, debris.</summary>
    Actor,

    Shot,

    Particle,
}

/// <summary>Anything that moves.</summary>
internal struct Thing
{
    public Vector3 Position;
    public Vector3 Velocity;
    public float Size;

    /// <summary>Steps until it goes, or whatever its level counts.</summary>
    public int Life;

    public uint Color;

    /// <summary>Which group of its level it belongs to.</summary>
    public int Group;

    /// <summary>Its body in the physics library, 0 if it has none.</summary>
    public nint Body;
}

/// <summary>Elements of the engine's memory or of a managed array.</summary>
internal readonly unsafe struct Table<T>
    where T : unmanaged
{
    private readonly T* _native;
    private readonly T[]? _managed;

    /// <param name="elements">In memory that does not move.</param>
    public Table(Span<T> elements)
    {
        _native = (T*)Unsafe.AsPointer(ref elements[0]);
        Length = elements.Length;
    }

    public Table(T[] elements) => (_managed, Length) = (elements, elements.Length);

    public int Length { get; }

    public Span<T> Span => _managed is null ? new Span<T>(_native, Length) : _managed;
}

/// <summary>
/// The memory of one level. The rules are written once against it, and compiled for each kind. One thread changes it;
/// several may read it, or change the things that they were given.
/// </summary>
internal interface IStore : IDisposable
{
    int Count(ThingKind kind);

    /// <summary>A thing; its index is good until one of its kind is added or removed.</summary>
    ref Thing At(ThingKind kind, int index);

    /// <summary>A new thing, the last of its kind.</summary>
    ref Thing Add(ThingKind kind);

    /// <summary>The last of its kind takes its place.</summary>
    void RemoveAt(ThingKind kind, int index);

    /// <summary>A table of zeros that lives as long as the level; 1 element or more.</summary>
    Table<T> Keep<T>(int length)
        where T : unmanaged;

    /// <summary>A table for this frame, of one worker; 1 element or more, their contents are undefined.</summary>
    Table<T> Scratch<T>(int worker, int length)
        where T : unmanaged;

    /// <summary>The line that tells the player how the level goes, in UTF-8, for this frame.</summary>
    Table<byte> Line(string level, int score, int actors, int shots);
}

/// <summary>
/// A level in the engine's memory: lists and tables in its scene's arena, scratch in its frame lanes.
/// </summary>
internal readonly struct EngineStore : IStore
{
    private static readonly AllocationTag s_tag = AllocationTag.Register("world", 64 << 20);
    private readonly Scene _scene;
    private readonly NativeList<Thing>[] _things = new NativeList<Thing>[3];

    /// <param name="capacities">Of each kind of things, as many as the level ever has.</param>
    public EngineStore(Scene scene, ReadOnlySpan<int> capacities)
    {
        using TagScope scope = s_tag.Begin();
        _scene = scene;
        for (int kind = 0; kind < _things.Length; kind++)
            _things[kind] = new NativeList<Thing>(scene.Arena, capacities[kind]);
    }

    public int Count(ThingKind kind) => _things[(int)kind].Count;

    public ref Thing At(ThingKind kind, int index) => ref _things[(int)kind][index];

    public ref Thing Add(ThingKind kind)
    {
        NativeList<Thing> things = _things[(int)kind];
        things.Add(default);
        return ref things[things.Count - 1];
    }

    public void RemoveAt(ThingKind kind, int index) => _things[(int)kind].RemoveAtSwapBack(index);

    public Table<T> Keep<T>(int length)
        where T : unmanaged
    {
        using TagScope scope = s_tag.Begin();
        return new Table<T>(new NativeArray<T>(_scene.Arena, length).AsSpan());
    }

    public Table<T> Scratch<T>(int worker, int length)
        where T : unmanaged => new(_scene.FrameArena.Lane(worker).AllocateSpan<T>(length));

    public unsafe Table<byte> Line(string level, int score, int actors, int shots)
    {
        NativeText text = new(_scene.FrameArena.Lane(0));
        text.Append($"{level}  score {score}  things {actors}  shots {shots}");
        return new Table<byte>(new Span<byte>(text.AsCString(), text.Length));
    }

    /// <summary>The level's memory goes at once, the tables with it.</summary>
    public void Dispose() => _scene.Arena.Reset();
}

/// <summary>
/// A level as it is without a memory system: each thing an object, scratch in new arrays, text in strings, and all of
/// it left to the collector.
/// </summary>
internal readonly struct GcStore() : IStore
{
    private readonly List<ThingObject>[] _things = [[], [], []];

    public int Count(ThingKind kind) => _things[(int)kind].Count;

    public ref Thing At(ThingKind kind, int index) => ref _things[(int)kind][index].Thing;

    public ref Thing Add(ThingKind kind)
    {
        ThingObject added = new();
        _things[(int)kind].Add(added);
        return ref added.Thing;
    }

    public void RemoveAt(ThingKind kind, int index)
    {
        List<ThingObject> things = _things[(int)kind];
        things[index] = things[^1];
        things.RemoveAt(things.Count - 1);
    }

    public Table<T> Keep<T>(int length)
        where T : unmanaged => new(new T[length]);

    public Table<T> Scratch<T>(int worker, int length)
        where T : unmanaged => new(new T[length]);

    public Table<byte> Line(string level, int score, int actors, int shots) =>
        new(Encoding.UTF8.GetBytes($"{level}  score {score}  things {actors}  shots {shots}"));

    public void Dispose()
    {
    }

    private sealed class ThingObject
    {
        public Thing Thing;
    }
}
