using System.Globalization;
using System.Text;
using SuperSlab.Diagnostics;

namespace Samples.Common;

/// <summary>Prints page faults by owner for people.</summary>
public static class FaultsTable
{
    /// <summary>The table, the most faults first; where faults are only counted, the counts and the reason.</summary>
    /// <param name="title">What was observed.</param>
    /// <param name="frames">What its frames are called: "in the frames".</param>
    /// <param name="faults">The faults.</param>
    public static string Print(string title, string frames, ProfileFaults faults)
    {
        Dictionary<(string, string), long> inFrames = [];
        foreach (ProfileFaults.OwnerInFrame row in faults.Frames)
        {
            inFrames[(row.Kind, row.Name)] = inFrames.GetValueOrDefault((row.Kind, row.Name)) + row.Count;
        }

        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"page faults of {title} by owner; the kernel counted {faults.KernelCount:N0} for the observed threads");
        text.AppendLine(faults.Unavailable.Length == 0 ? "" : $"only counted: {faults.Unavailable}");
        text.AppendLine(CultureInfo.InvariantCulture, $"{frames,14}  {"in all",10}  owner, and the place of the first");
        foreach (ProfileFaults.Owner owner in faults.Owners)
        {
            long within = inFrames.GetValueOrDefault((owner.Kind, owner.Name));
            text.AppendLine(CultureInfo.InvariantCulture, $"{within,14:N0}  {owner.Count,10:N0}  {owner.Kind}: {owner.Name}{(owner.CallSite.Length == 0 ? "" : $" [{owner.CallSite}]")}");
        }

        return text.AppendLine(CultureInfo.InvariantCulture, $"{inFrames.Values.Sum(),14:N0}  {faults.Owners.Sum(owner => owner.Count),10:N0}  sum").ToString();
    }

    /// <summary>What must hold and does not, in words; null when every fault has an owner and the owners' sum is the kernel's count.</summary>
    public static string? Problem(ProfileFaults faults)
    {
        long sum = faults.Owners.Sum(owner => owner.Count);
        return sum != faults.KernelCount ? $"the owners have {sum} page faults, and the kernel counted {faults.KernelCount}"
            : faults.LostCount != 0 ? $"{faults.LostCount} page faults found no room in the ring, and have no owner"
            : null;
    }
}
