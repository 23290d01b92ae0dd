// The entities that have the same components, in chunks of 16 KiB.
using System.Numerics;
using System.Runtime.CompilerServices;
using SuperSlab;
using SuperSlab.Collections;

namespace Samples.Common.Entities;

/// <summary>Where an entity is in its archetype.</summary>
internal readonly record struct RowPlace(int Chunk, int Row);

/// <summary>
/// The entities of one set of components. A chunk has a column for the entities and one for each component, each at a
/// cache line's begin:
/// <code>
///   entities  | e0 e1 e2 ... | component 0 | c0 c1 c2 ... | component 1 | ...
/// </code>
/// Rows have no gaps: a removal moves the last row. Equation: all chunks before the last are full, the last has
/// LastRows, at least one; one more may be there.
/// </summary>
internal unsafe struct Archetype : IDisposable
{
    public const int ChunkBytes = 16 * 1024;
    private const int LineBytes = 64;

    private readonly ArenaRef _arena;
    private readonly int _rowsOfChunk;
    private int _lastRows;
    private NativeList<nint> _chunks;
    private fixed ushort _offsets[ComponentTypes.Most];

    /// <exception cref="ArgumentException">The components of one entity do not fit in a chunk.</exception>
    public Archetype(ArenaRef arena, ComponentSet set)
    {
        _arena = arena;
        Set = set;
        int bytes = sizeof(Entity);
        for (ulong bits = set.Bits; bits != 0; bits &= bits - 1)
            bytes += ComponentTypes.BytesOf(BitOperations.TrailingZeroCount(bits));

        _rowsOfChunk = ChunkBytes / bytes;
        while (_rowsOfChunk > 0 && Lay(_rowsOfChunk) > ChunkBytes)
            _rowsOfChunk--;

        if (_rowsOfChunk == 0)
            throw new ArgumentException($"{bytes} bytes of components do not fit in a chunk of {ChunkBytes}.");

        _chunks = new NativeList<nint>(arena);
    }

    public ComponentSet Set { get; }

    /// <summary>The chunks with entities.</summary>
    public int ChunkCount { get; private set; }

    public readonly int RowsIn(int chunk) => chunk == ChunkCount - 1 ? _lastRows : _rowsOfChunk;

    /// <summary>A column of a chunk, from its first row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly byte* Column(int chunk, int component) => (byte*)_chunks[chunk] + _offsets[component];

    public readonly Entity* Entities(int chunk) => (Entity*)_chunks[chunk];

    /// <summary>A component of a row.</summary>
    public readonly byte* At(RowPlace place, int component) =>
        Column(place.Chunk, component) + (place.Row * ComponentTypes.BytesOf(component));

    /// <summary>Makes sure that there is a chunk for one more row.</summary>
    /// <returns>The row, which is there once it is added.</returns>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly RowPlace MakeRoom()
    {
        if (ChunkCount != 0 && _lastRows < _rowsOfChunk)
            return new RowPlace(ChunkCount - 1, _lastRows);

        if (ChunkCount == _chunks.Count)
        {
            _chunks.EnsureCapacity(ChunkCount + 1);
            _chunks.Add((nint)_arena.Allocate(ChunkBytes, LineBytes));
        }

        return new RowPlace(ChunkCount, 0);
    }

    /// <summary>Adds the row for which room was made.</summary>
    /// <param name="place">The row.</param>
    /// <param name="entity">Whose it is.</param>
    /// <param name="cleared">The components that are 0; the others are undefined.</param>
    public void Add(RowPlace place, Entity entity, ComponentSet cleared)
    {
        ChunkCount = place.Chunk + 1;
        _lastRows = place.Row + 1;
        Entities(place.Chunk)[place.Row] = entity;
        for (ulong bits = cleared.Bits; bits != 0; bits &= bits - 1)
        {
            int component = BitOperations.TrailingZeroCount(bits);
            Unsafe.InitBlockUnaligned(At(place, component), 0, (uint)ComponentTypes.BytesOf(component));
        }
    }

    /// <summary>Removes a row, and the chunks behind the one that this leaves empty.</summary>
    /// <returns>The entity that has the row now; the default where it was the last row.</returns>
    public Entity Remove(RowPlace place)
    {
        RowPlace last = new(ChunkCount - 1, --_lastRows);
        Entity moved = default;
        if (place != last)
        {
            moved = Entities(last.Chunk)[last.Row];
            Entities(place.Chunk)[place.Row] = moved;
            CopyRow(this, last, place, Set);
        }

        if (_lastRows == 0)
        {
            // One empty chunk stays: entities that come and go at its edge cost no chunk each time.
            ChunkCount--;
            _lastRows = ChunkCount == 0 ? 0 : _rowsOfChunk;
            while (_chunks.Count > ChunkCount + 1)
                _arena.Free((void*)_chunks.RemoveLast());
        }

        return moved;
    }

    /// <summary>Copies components of another archetype's row, or of a row here, to one here.</summary>
    public readonly void CopyRow(in Archetype from, RowPlace source, RowPlace target, ComponentSet which)
    {
        for (ulong bits = which.Bits; bits != 0; bits &= bits - 1)
        {
            int component = BitOperations.TrailingZeroCount(bits);
            Unsafe.CopyBlockUnaligned(
                At(target, component), from.At(source, component), (uint)ComponentTypes.BytesOf(component));
        }
    }

    public void Dispose()
    {
        foreach (nint chunk in _chunks)
            _arena.Free((void*)chunk);

        _chunks.Dispose();
    }

    /// <summary>Gives the columns their places for a number of rows.</summary>
    /// <returns>Where the last one ends.</returns>
    private int Lay(int rows)
    {
        int at = rows * sizeof(Entity);
        for (ulong bits = Set.Bits; bits != 0; bits &= bits - 1)
        {
            int component = BitOperations.TrailingZeroCount(bits);
            at = (at + LineBytes - 1) / LineBytes * LineBytes;
            _offsets[component] = (ushort)at;
            at += rows * ComponentTypes.BytesOf(component);
        }

        return at;
    }
}
