using System.Globalization;
using System.Text.Unicode;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>A thread's number on Linux and its stacks. All zero where the C library does not tell.</summary>
internal readonly unsafe record struct LinuxThread(
    int Id, nuint Stack, nuint StackBytes, nuint SignalStack, nuint SignalStackBytes)
{
    /// <summary>A thread of this priority gets about 1/70 of a processor that one of nice 0 also wants.</summary>
    private const int LowestNice = 19;

    /// <summary>The calling thread.</summary>
    public static LinuxThread Current(INativeContext context)
    {
        var gettid = (delegate* unmanaged<int>)context.Find("gettid");
        (nuint stack, nuint stackBytes) = StackBounds.Find(context).OfThisThread();
        (nuint signalStack, nuint signalStackBytes) = FindSignalStack(context);
        return new(gettid == null ? 0 : gettid(), stack, stackBytes, signalStack, signalStackBytes);
    }

    /// <summary>Lowers the calling thread's priority by its nice value, which anybody may raise.</summary>
    /// <param name="context">Where the system's functions are found.</param>
    /// <param name="nice">Above 0; the lowest priority unless given.</param>
    public static void LowerPriority(INativeContext context, int nice = LowestNice)
    {
        const int OfProcess = 0; // PRIO_PROCESS, which with "who" 0 is the calling thread
        var setpriority = (delegate* unmanaged<int, uint, int, int>)context.Find("setpriority");
        _ = setpriority == null ? 0 : setpriority(OfProcess, 0, nice);
    }

    /// <summary>Page faults, minor and major, of a thread of this process; -1 where there is no such thread.</summary>
    public static long FaultsOf(LinuxFiles files, int id)
    {
        const int MinorFaults = 7; // counted from the field after the name
        const int MajorFaults = 9;
        Span<byte> path = stackalloc byte[64];
        Span<byte> buffer = stackalloc byte[1024];
        Utf8.TryWrite(path, $"/proc/self/task/{id}/stat\0", out int written);
        ReadOnlySpan<byte> text = files.Read(path[..written], buffer);
        int nameEnd = text.LastIndexOf((byte)')'); // the name, in parentheses, may contain spaces
        if (nameEnd < 0)
            return -1;

        long faults = 0;
        int field = 0;
        ReadOnlySpan<byte> fields = text[(nameEnd + 2)..];
        foreach (Range range in fields.Split((byte)' '))
        {
            faults += field is MinorFaults or MajorFaults ? (long)LinuxFiles.FirstNumber(fields[range]) : 0;
            field++;
        }

        return faults;
    }

    /// <summary>Whether the process may lock any amount of memory: CAP_IPC_LOCK.</summary>
    public static bool MayLockMemory(LinuxFiles files)
    {
        const int LockCapability = 14;
        return ((Capabilities(files) >> LockCapability) & 1) != 0;
    }

    /// <summary>The effective ones, as in "CapEff: 000001ffffffffff".</summary>
    private static ulong Capabilities(LinuxFiles files)
    {
        const string Label = "CapEff:";
        string status = files.ReadText("/proc/self/status") ?? "";
        int at = status.IndexOf(Label, StringComparison.Ordinal);
        if (at < 0)
            return 0;

        ReadOnlySpan<char> line = status.AsSpan(at + Label.Length);
        int end = line.IndexOf('\n');
        _ = ulong.TryParse(
            (end < 0 ? line : line[..end]).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong set);
        return set;
    }

    private static (nuint Address, nuint Bytes) FindSignalStack(INativeContext context)
    {
        var sigaltstack = (delegate* unmanaged<void*, nuint*, int>)context.Find("sigaltstack");
        nuint* description = stackalloc nuint[3]; // { address, flags, bytes }
        new Span<nuint>(description, 3).Clear();
        _ = sigaltstack == null ? 0 : sigaltstack(null, description);
        return (description[0], description[2]);
    }
}
