// The entities that have the same components, in chunks of 16 KiB.
using System.Numerics;
using System.Runtime.CompilerServices;
using SuperSlab;
using SuperSlab.Collections;

namespace Samples.Common.Entities;

/// <summary>
/// The entities of one set of components. A chunk has a column for the entities and one for each component, each at a
/// cache line's begin:
/// <code>
///   entities  | e0 e1 e2 ... | component 0 | c0 c1 c2 ... | component 1 | ...
/// </code>
/// Rows are counted through all chunks and have no gaps: a removal moves the last row. Equation: Count rows lie in the
/// first chunks; one more may be there.
/// </summary>
internal unsafe struct Archetype : IDisposable
{
    public const int ChunkBytes = 16 * 1024;
    private const int LineBytes = 64;

    private readonly ArenaRef _arena;
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

        RowsOfChunk = ChunkBytes / bytes;
        while (RowsOfChunk > 0 && Lay(RowsOfChunk) > ChunkBytes)
            RowsOfChunk--;

        if (RowsOfChunk == 0)
            throw new ArgumentException($"{bytes} bytes of components do not fit in a chunk of {ChunkBytes}.");

        _chunks = new NativeList<nint>(arena);
    }

    public ComponentSet Set { get; }

    /// <summary>The number of entities.</summary>
    public int Count { get; private set; }

    public int RowsOfChunk { get; }

    public readonly int ChunkCount => (Count + RowsOfChunk - 1) / RowsOfChunk;

    public readonly int RowsIn(int chunk) => Math.Min(RowsOfChunk, Count - (chunk * RowsOfChunk));

    /// <summary>A column of a chunk, from its first row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly byte* Column(int chunk, int component) => (byte*)_chunks[chunk] + _offsets[component];

    public readonly Entity* Entities(int chunk) => (Entity*)_chunks[chunk];

    /// <summary>A component of a row.</summary>
    public readonly byte* At(int row, int component) =>
        Column(row / RowsOfChunk, component) + ((row % RowsOfChunk) * ComponentTypes.BytesOf(component));

    /// <summary>Makes sure that there is a chunk for one more row.</summary>
    /// <returns>The row, which is there once it is added.</returns>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly int MakeRoom()
    {
        if (Count == _chunks.Count * RowsOfChunk)
        {
            _chunks.EnsureCapacity(_chunks.Count + 1);
            _chunks.Add((nint)_arena.Allocate(ChunkBytes, LineBytes));
        }

        return Count;
    }

    /// <summary>Adds the row for which room was made, its components 0.</summary>
    public void Add(Entity entity)
    {
        int row = Count++;
        Entities(row / RowsOfChunk)[row % RowsOfChunk] = entity;
        for (ulong bits = Set.Bits; bits != 0; bits &= bits - 1)
        {
            int component = BitOperations.TrailingZeroCount(bits);
            new Span<byte>(At(row, component), ComponentTypes.BytesOf(component)).Clear();
        }
    }

    /// <summary>Removes a row, and the chunk that this leaves empty.</summary>
    /// <returns>The entity that has the row now; the default where it was the last row.</returns>
    public Entity Remove(int row)
    {
        int last = --Count;
        Entity moved = default;
        if (row != last)
        {
            moved = Entities(last / RowsOfChunk)[last % RowsOfChunk];
            Entities(row / RowsOfChunk)[row % RowsOfChunk] = moved;
            CopyRow(this, last, row, Set);
        }

        while (_chunks.Count > ChunkCount)
            _arena.Free((void*)_chunks.RemoveLast());

        return moved;
    }

    /// <summary>Copies components of another archetype's row, or of a row here, to one here.</summary>
    public readonly void CopyRow(in Archetype from, int fromRow, int toRow, ComponentSet which)
    {
        for (ulong bits = which.Bits; bits != 0; bits &= bits - 1)
        {
            int component = BitOperations.TrailingZeroCount(bits);
            Unsafe.CopyBlockUnaligned(
                At(toRow, component), from.At(fromRow, component), (uint)ComponentTypes.BytesOf(component));
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
