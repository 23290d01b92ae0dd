using System.Runtime.InteropServices;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// One arena's blocks above the largest class, by their length in SuperSlabs, since they have no size in common: how many are out, and the
/// most there ever were. Under the lock of the class <see cref="SizeClasses.Huge"/>.
/// </summary>
internal sealed class HugeUse
{
    private readonly Dictionary<int, (long Out, long Peak)> _byLength = new(64);

    public nuint BytesOut
    {
        get
        {
            nuint bytes = 0;
            foreach ((int superSlabs, (long count, _)) in _byLength)
            {
                bytes += (nuint)(superSlabs * count) << SuperSlab.Shift;
            }

            return bytes;
        }
    }

    public void Count(int slabs, int change)
    {
        ref (long Out, long Peak) use = ref CollectionsMarshal.GetValueRefOrAddDefault(_byLength, slabs / SuperSlab.SlabCount, out _);
        use.Out += change;
        use.Peak = Math.Max(use.Peak, use.Out);
    }

    /// <summary>No block is out any more; the peaks stay.</summary>
    public void Clear()
    {
        foreach (int superSlabs in _byLength.Keys)
        {
            CollectionsMarshal.GetValueRefOrNullRef(_byLength, superSlabs).Out = 0;
        }
    }

    public (nuint Bytes, long Out, long Peak)[] ToArray()
    {
        var uses = new (nuint Bytes, long Out, long Peak)[_byLength.Count];
        int index = 0;
        foreach ((int superSlabs, (long count, long peak)) in _byLength)
        {
            uses[index++] = ((nuint)superSlabs << SuperSlab.Shift, count, peak);
        }

        return uses;
    }
}
