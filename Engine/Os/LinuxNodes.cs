using System.Globalization;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>The memory nodes that the process may use on Linux, and mbind, which spreads pages over them.</summary>
internal sealed unsafe class LinuxNodes
{
    private const int Interleave = 3; // MPOL_INTERLEAVE
    private const int MaximumNodes = 1024;

    private readonly LinuxSystemCall _mbind;
    private readonly ulong[] _mask = new ulong[MaximumNodes / 64];

    public LinuxNodes(LinuxFiles files, INativeContext context)
    {
        _mbind = new LinuxSystemCall(context, LinuxCall.MemoryBind);
        Names = AllowedNodes(files);
        Count = Names is null ? 1 : Set(Names, _mask);
    }

    /// <summary>The nodes as the kernel lists them, "0-1,4"; null where it does not list them.</summary>
    public string? Names { get; }

    /// <summary>The number of nodes; 1 where the kernel does not list them.</summary>
    public int Count { get; }

    /// <summary>Spreads the pages that the range gets from now on over the nodes in turn.</summary>
    /// <returns>0, or the error.</returns>
    public int TryInterleave(nint address, nuint bytes)
    {
        if (!_mbind.IsAvailable)
            return Errno.Invalid;

        fixed (ulong* mask = _mask)
        {
            nint result = _mbind.Invoke(address, (nint)bytes, Interleave, (nint)mask, MaximumNodes);
            return result == 0 ? Errno.None : Marshal.GetLastSystemError();
        }
    }

    /// <summary>Sets a bit for each number of a list like "0-1,4" that fits the mask.</summary>
    /// <returns>The number of bits; 0 where the text is no list.</returns>
    public static int Set(string list, Span<ulong> mask)
    {
        int count = 0;
        foreach (string part in list.Split(','))
        {
            string[] ends = part.Split('-');
            if (!TryParse(ends[0], out int first) || !TryParse(ends[^1], out int last))
                return 0;

            for (int node = first; node <= last && node < mask.Length * 64; node++)
            {
                mask[node / 64] |= 1UL << (node % 64);
                count++;
            }
        }

        return count;
    }

    private static bool TryParse(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static string? AllowedNodes(LinuxFiles files)
    {
        const string Label = "Mems_allowed_list:";
        string? status = files.ReadText("/proc/self/status");
        int at = status?.IndexOf(Label, StringComparison.Ordinal) ?? -1;
        return at < 0 ? null : status![(at + Label.Length)..].Split('\n')[0].Trim();
    }
}
