// Entities and their components, in an arena.
using System.Diagnostics.CodeAnalysis;
using SuperSlab;
using SuperSlab.Collections;

namespace Samples.Common.Entities;

/// <summary>Names an entity of a store; one that was destroyed is found no more. The default names none.</summary>
internal readonly record struct Entity(SlotKey Key);

/// <summary>
/// Entities by what components they have: those with the same set lie side by side in chunks of 16 KiB, and systems
/// walk over their components as spans. Made of the engine's containers; no managed memory after it was made. Hot-loop
/// safe where the arena is prewarmed. One thread at a time changes it, any number read it or write to components of
/// different chunks.
/// <code>
/// using EntityStore store = new(arena);
/// Entity rock = store.Create(ComponentSet.Of&lt;Position, Speed&gt;());
/// store.Get&lt;Speed&gt;(rock).Y = -9.81f;
/// foreach (EntityChunk chunk in store.Query(ComponentSet.Of&lt;Position, Speed&gt;()))
/// {
///     Span&lt;Position&gt; positions = chunk.Get&lt;Position&gt;();
///     Span&lt;Speed&gt; speeds = chunk.Get&lt;Speed&gt;();
///     for (int row = 0; row &lt; positions.Length; row++)
///         positions[row].Y += speeds[row].Y;
/// }
/// </code>
/// </summary>
internal sealed unsafe class EntityStore : IDisposable
{
    private readonly ArenaRef _arena;
    private NativeSlotMap<Place> _places;
    private NativeHashMap<ulong, int> _numbers;
    private NativeList<Archetype> _archetypes;

    /// <param name="arena">Where all of it lies.</param>
    public EntityStore(ArenaRef arena)
    {
        _arena = arena;
        _places = new NativeSlotMap<Place>(arena);
        _numbers = new NativeHashMap<ulong, int>(arena);
        _archetypes = new NativeList<Archetype>(arena);
    }

    /// <summary>The number of entities.</summary>
    public int Count => _places.Count;

    /// <summary>The number of sets of components that entities have or had.</summary>
    public int ArchetypeCount => _archetypes.Count;

    /// <summary>Changes with each entity that is created, destroyed or moved.</summary>
    internal int Version { get; private set; }

    /// <summary>Makes an entity, its components 0.</summary>
    /// <exception cref="ArgumentException">The components do not fit in a chunk.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public Entity Create(ComponentSet set)
    {
        int number = NumberOf(set);
        ref Archetype archetype = ref _archetypes[number];
        RowPlace row = archetype.MakeRoom();
        Entity entity = new(_places.Add(new Place(number, row)));
        archetype.Add(row, entity, cleared: set);
        Version++;
        return entity;
    }

    /// <summary>Ends an entity.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Destroy(Entity entity)
    {
        if (!_places.TryGetValue(entity.Key, out Place place))
            return false;

        Leave(place);
        _places.Remove(entity.Key);
        return true;
    }

    /// <summary>Whether an entity is there.</summary>
    public bool Contains(Entity entity) => _places.Contains(entity.Key);

    /// <summary>The components that an entity has; none where it is not there.</summary>
    public ComponentSet SetOf(Entity entity) =>
        _places.TryGetValue(entity.Key, out Place place) ? _archetypes[place.Archetype].Set : default;

    /// <summary>A component of an entity. Valid until an entity is created, destroyed or moved.</summary>
    /// <exception cref="KeyNotFoundException">The entity is not there, or has no such component.</exception>
    public ref T Get<T>(Entity entity)
        where T : unmanaged
    {
        Place place = _places[entity.Key];
        ref Archetype archetype = ref _archetypes[place.Archetype];
        if (!archetype.Set.Has<T>())
            ThrowMissing<T>(entity);

        return ref *(T*)archetype.At(place.Row, ComponentType<T>.Number);
    }

    /// <summary>Gives an entity a component, or another value for one that it has.</summary>
    /// <exception cref="KeyNotFoundException">The entity is not there.</exception>
    /// <exception cref="ArgumentException">The components do not fit in a chunk.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public void Add<T>(Entity entity, T component)
        where T : unmanaged
    {
        Place place = _places[entity.Key];
        Place moved = Move(entity, place, _archetypes[place.Archetype].Set.With<T>());
        *(T*)_archetypes[moved.Archetype].At(moved.Row, ComponentType<T>.Number) = component;
    }

    /// <summary>Takes a component from an entity.</summary>
    /// <returns>Whether it had it.</returns>
    /// <exception cref="KeyNotFoundException">The entity is not there.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public bool Remove<T>(Entity entity)
        where T : unmanaged
    {
        Place place = _places[entity.Key];
        ComponentSet set = _archetypes[place.Archetype].Set;
        Move(entity, place, set.Without<T>());
        return set.Has<T>();
    }

    /// <summary>The chunks of the entities that have all of some components, and none of others.</summary>
    public EntityQuery Query(ComponentSet all, ComponentSet none = default) => new(this, all, none);

    /// <summary>Gives all memory back.</summary>
    public void Dispose()
    {
        if (!_archetypes.IsCreated)
            return;

        foreach (ref Archetype archetype in _archetypes)
            archetype.Dispose();

        _archetypes.Dispose();
        _numbers.Dispose();
        _places.Dispose();
    }

    internal ref Archetype At(int number) => ref _archetypes[number];

    private int NumberOf(ComponentSet set)
    {
        if (_numbers.TryGetValue(set.Bits, out int number))
            return number;

        number = _archetypes.Count;
        _archetypes.EnsureCapacity(number + 1);
        _numbers.EnsureCapacity(number + 1);
        _archetypes.Add(new Archetype(_arena, set));
        _numbers.Add(set.Bits, number);
        return number;
    }

    private Place Move(Entity entity, Place from, ComponentSet set)
    {
        ComponentSet before = _archetypes[from.Archetype].Set;
        if (set == before)
            return from;

        int number = NumberOf(set);
        ref Archetype archetype = ref _archetypes[number];
        RowPlace row = archetype.MakeRoom();
        archetype.Add(row, entity, cleared: new ComponentSet(set.Bits & ~before.Bits));
        archetype.CopyRow(_archetypes[from.Archetype], from.Row, row, new ComponentSet(set.Bits & before.Bits));
        Leave(from);
        Place place = new(number, row);
        _places[entity.Key] = place;
        return place;
    }

    private void Leave(Place place)
    {
        Version++;
        Entity moved = _archetypes[place.Archetype].Remove(place.Row);
        if (moved != default)
            _places[moved.Key] = place;
    }

    [DoesNotReturn]
    private void ThrowMissing<T>(Entity entity) => throw new KeyNotFoundException(
        $"{entity} has no component {typeof(T).Name}; it has {SetOf(entity)}.");

    private readonly record struct Place(int Archetype, RowPlace Row);
}

/// <summary>Some entities of one set of components, side by side. Valid until an entity is created, destroyed or
/// moved.</summary>
internal readonly unsafe struct EntityChunk(EntityStore store, int archetype, int chunk)
{
    /// <summary>The number of entities.</summary>
    public int Count => store.At(archetype).RowsIn(chunk);

    /// <summary>The components that they have.</summary>
    public ComponentSet Set => store.At(archetype).Set;

    /// <summary>The entities.</summary>
    public ReadOnlySpan<Entity> Entities => new(store.At(archetype).Entities(chunk), Count);

    /// <summary>A component of each, in the order of the entities.</summary>
    /// <exception cref="KeyNotFoundException">They do not have it.</exception>
    public Span<T> Get<T>()
        where T : unmanaged
    {
        if (!Set.Has<T>())
            throw new KeyNotFoundException($"The entities of this chunk have no component {typeof(T).Name}.");

        return new Span<T>(store.At(archetype).Column(chunk, ComponentType<T>.Number), Count);
    }
}

/// <summary>Walks over the chunks of a query.</summary>
internal struct EntityQuery(EntityStore store, ComponentSet all, ComponentSet none)
{
    private readonly int _version = store.Version;
    private int _archetype = -1;
    private int _chunk;
    private int _chunkCount;

    /// <summary>The chunk.</summary>
    public readonly EntityChunk Current => new(store, _archetype, _chunk);

    public readonly EntityQuery GetEnumerator() => this;

    /// <summary>Goes on to the next chunk.</summary>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="InvalidOperationException">An entity was created, destroyed or moved since the walk
    /// began.</exception>
    public bool MoveNext()
    {
        if (store.Version != _version)
        {
            throw new InvalidOperationException(
                "An entity was created, destroyed or moved during a query; note it, and do so afterwards.");
        }

        if (++_chunk < _chunkCount)
            return true;

        while (++_archetype < store.ArchetypeCount)
        {
            ref Archetype archetype = ref store.At(_archetype);
            if (archetype.ChunkCount != 0 && archetype.Set.ContainsAll(all) && !archetype.Set.ContainsAny(none))
            {
                _chunk = 0;
                _chunkCount = archetype.ChunkCount;
                return true;
            }
        }

        return false;
    }
}
