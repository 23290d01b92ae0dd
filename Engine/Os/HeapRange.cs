using System.Globalization;

namespace SuperSlab;

/// <summary>
/// Where the collector's heap lies, as far as that can be known. The collector reserves one range for all its objects
/// and tells how large it is, not where it begins. The kernel shows it in one piece with the anonymous memory next to
/// it, which may be anybody's. One thread at a time.
/// </summary>
/// <remarks>
/// The range never moves, so what each reading of the address space says of its beginning holds for all:
/// <code>
///   first joined mapping &lt;= beginning         &lt;= an object
///   an object             &lt; beginning + size  &lt;= last joined mapping's end
/// </code>
/// What lies in the range wherever it may begin is the heap's; what lies in none of these ranges is not.
/// </remarks>
/// <param name="bytes">The range's size; 0 where the collector does not tell it.</param>
internal sealed class HeapRange(nuint bytes)
{
    private nuint _lowest;
    private nuint _highest = nuint.MaxValue - bytes;

    /// <summary>The size of the collector's range; 0 where it has no regions, or does not tell.</summary>
    public static nuint TellBytes() =>
        GC.GetConfigurationVariables().TryGetValue("GCRegionRange", out object? told)
            ? (nuint)Convert.ToUInt64(told, CultureInfo.InvariantCulture) : 0;

    /// <summary>Takes in a reading: an object, and the adjacent anonymous mappings around it.</summary>
    /// <param name="anObject">The object's address.</param>
    /// <param name="first">Where the first of the mappings begins.</param>
    /// <param name="end">Where the last of them ends.</param>
    /// <returns>False, with nothing taken in, where the object is not in the range, as literals may be.</returns>
    public bool TryNote(nuint anObject, nuint first, nuint end)
    {
        if (bytes == 0 || end - first < bytes)
            return false;

        nuint lowest = nuint.Max(_lowest, nuint.Max(first, anObject < bytes ? 0 : anObject - bytes + 1));
        nuint highest = nuint.Min(_highest, nuint.Min(end - bytes, anObject));
        if (lowest > highest)
            return false;

        (_lowest, _highest) = (lowest, highest);
        return true;
    }

    /// <summary>Whether an address of the joined mappings is the heap's; null where that is not known.</summary>
    public bool? Contains(nuint address) => bytes == 0 || _lowest == 0 ? null
        : address >= _highest && address - _lowest < bytes ? true
        : address < _lowest || (address >= _highest && address - _highest >= bytes) ? false
        : null;
}
