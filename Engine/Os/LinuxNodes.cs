using System.Globalization;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>The memory nodes that the process may use on Linux, and mbind, which says how pages spread over them.</summary>
internal sealed unsafe class LinuxNodes
{
    private const int Interleave = 3; // MPOL_INTERLEAVE
    private const int MostNodes = 1024;

    private readonly delegate* unmanaged<nint, nint, nuint, nint, ulong*, nuint, nint, nint> _syscall;
    private readonly ulong[] _mask = new ulong[MostNodes / 64];

    private readonly nint _number = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 237,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 235,
        _ => 0,
    };

    public LinuxNodes(LinuxFiles files, INativeContext context)
    {
        _ = context.TryGetProcAddress("syscall", out nint address);
        _syscall = (delegate* unmanaged<nint, nint, nuint, nint, ulong*, nuint, nint, nint>)address;
        Names = AllowedNodes(files);
        Count = Names is null ? 1 : Set(Names, _mask);
    }

    /// <summary>The nodes as the kernel lists them, "0-1,4"; null where it does not.</summary>
    public string? Names { get; }

    /// <summary>How many there are; 1 where the kernel does not tell.</summary>
    public int Count { get; }

    /// <summary>The pages of a range that come from now on take turns over the nodes.</summary>
    /// <returns>0, or the error.</returns>
    public int TryInterleave(nint address, nuint bytes)
    {
        if (_syscall == null || _number == 0)
            return Errno.Invalid;

        fixed (ulong* mask = _mask)
            return _syscall(_number, address, bytes, Interleave, mask, MostNodes, 0) == 0 ? Errno.None : Marshal.GetLastSystemError();
    }

    /// <summary>Sets a bit for each number of a list like "0-1,4"; numbers too large for the mask are left out.</summary>
    /// <returns>How many there are; 0 where the text is no list.</returns>
    public static int Set(string list, Span<ulong> mask)
    {
        int count = 0;
        foreach (string part in list.Split(','))
        {
            string[] ends = part.Split('-');
            if (!int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last))
            {
                return 0;
            }

            for (int node = first; node <= last && node < mask.Length * 64; node++)
            {
                mask[node / 64] |= 1UL << (node % 64);
                count++;
            }
        }

        return count;
    }

    private static string? AllowedNodes(LinuxFiles files)
    {
        const string Label = "Mems_allowed_list:";
        string? status = files.ReadText("/proc/self/status");
        int at = status?.IndexOf(Label, StringComparison.Ordinal) ?? -1;
        return at < 0 ? null : status![(at + Label.Length)..].Split('\n')[0].Trim();
    }
}
