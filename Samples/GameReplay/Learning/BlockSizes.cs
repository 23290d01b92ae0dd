using SuperSlab;

namespace Samples.GameReplay.Learning;

/// <summary>
/// Gives each block size of the engine a small number: size classes by their own, and blocks beyond the largest class, which
/// have no size in common, by their size rounded up to whole SuperSlabs.
/// </summary>
internal sealed class BlockSizes
{
    private const ulong SuperSlabBytes = 2 * 1024 * 1024;
    private readonly Dictionary<ulong, int> _hugeNumbers = [];
    private readonly List<ulong> _hugeBytes = [];

    /// <summary>How many numbers there are so far.</summary>
    public int Count => SizeClasses.Count + _hugeBytes.Count;

    /// <summary>The number of the block size that serves such a request.</summary>
    public int NumberOf(ulong bytes, byte alignmentShift)
    {
        int sizeClass = SizeClasses.IndexOf((nuint)bytes, (nuint)1 << alignmentShift);
        if (sizeClass != SizeClasses.Huge)
        {
            return sizeClass;
        }

        ulong rounded = bytes > ulong.MaxValue - SuperSlabBytes ? bytes : (bytes + SuperSlabBytes - 1) & ~(SuperSlabBytes - 1);
        if (!_hugeNumbers.TryGetValue(rounded, out int number))
        {
            number = Count;
            _hugeNumbers.Add(rounded, number);
            _hugeBytes.Add(rounded);
        }

        return number;
    }

    /// <summary>The block size with that number, in bytes.</summary>
    public ulong BytesOf(int number) =>
        number < SizeClasses.Count ? SizeClasses.BlockBytes(number) : _hugeBytes[number - SizeClasses.Count];
}
