using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// Lays slab runs into fresh SuperSlabs before those are claimed: each run into the SuperSlab with the least room that it fits, one behind
/// the other. Runs are added by their length, the longest first, which leaves little unused.
/// </summary>
internal sealed class SlabPacking
{
    /// <summary>SuperSlabs by the slabs that are left at their end.</summary>
    private readonly Stack<int>[] _byRoom = new Stack<int>[SuperSlab.SlabCount + 1];
    private readonly List<int> _used = [];

    public SlabPacking()
    {
        for (int room = 0; room < _byRoom.Length; room++)
        {
            _byRoom[room] = new Stack<int>();
        }
    }

    /// <summary>SuperSlabs so far.</summary>
    public int Count => _used.Count;

    /// <summary>Places a run of 1 to 32 slabs.</summary>
    /// <returns>The number of its SuperSlab, and its first slab there.</returns>
    public (int SuperSlab, int Slab) Add(int slabs)
    {
        int superSlab = Fitting(slabs);
        int first = _used[superSlab];
        _used[superSlab] += slabs;
        _byRoom[SuperSlab.SlabCount - _used[superSlab]].Push(superSlab);
        return (superSlab, first);
    }

    /// <summary>The slabs of a SuperSlab that no run has, as in <see cref="SuperSlab.FreeSlabs"/>.</summary>
    public uint FreeSlabs(int superSlab) => _used[superSlab] == SuperSlab.SlabCount ? 0 : uint.MaxValue << _used[superSlab];

    private int Fitting(int slabs)
    {
        for (int room = slabs; room < _byRoom.Length; room++)
        {
            if (_byRoom[room].TryPop(out int superSlab))
            {
                return superSlab;
            }
        }

        _used.Add(0);
        return _used.Count - 1;
    }
}
