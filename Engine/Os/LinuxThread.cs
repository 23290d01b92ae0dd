using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>The calling thread as Linux knows it: its number, and where its stacks lie. All zero where the C library does not tell.</summary>
internal readonly unsafe struct LinuxThread
{
    private LinuxThread(int id, nuint stack, nuint stackBytes, nuint signalStack, nuint signalStackBytes)
    {
        Id = id;
        Stack = stack;
        StackBytes = stackBytes;
        SignalStack = signalStack;
        SignalStackBytes = signalStackBytes;
    }

    public int Id { get; }

    public nuint Stack { get; }

    public nuint StackBytes { get; }

    /// <summary>Where the runtime lets the thread's signal handlers run.</summary>
    public nuint SignalStack { get; }

    public nuint SignalStackBytes { get; }

    public static LinuxThread Current(INativeContext context)
    {
        var gettid = (delegate* unmanaged<int>)Address(context, "gettid");
        FindStack(context, out nuint stack, out nuint stackBytes);
        FindSignalStack(context, out nuint signalStack, out nuint signalStackBytes);
        return new LinuxThread(gettid == null ? 0 : gettid(), stack, stackBytes, signalStack, signalStackBytes);
    }

    /// <summary>Page faults, minor and major, of a living thread of this process; -1 where there is none of that number.</summary>
    public static long FaultsOf(LinuxFiles files, int id)
    {
        const int MinorFaults = 7; // of the fields after the name, which stands in parentheses and may have spaces
        const int MajorFaults = 9;
        Span<byte> path = stackalloc byte[64];
        Span<byte> buffer = stackalloc byte[1024];
        System.Text.Unicode.Utf8.TryWrite(path, $"/proc/self/task/{id}/stat\0", out int written);
        ReadOnlySpan<byte> text = files.Read(path[..written], buffer);
        int nameEnd = text.LastIndexOf((byte)')');
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

    private static void FindStack(INativeContext context, out nuint stack, out nuint bytes)
    {
        const int AttributeBytes = 256; // pthread_attr_t has 56 to 64
        var self = (delegate* unmanaged<nint>)Address(context, "pthread_self");
        var attributes = (delegate* unmanaged<nint, void*, int>)Address(context, "pthread_getattr_np");
        var getStack = (delegate* unmanaged<void*, nuint*, nuint*, int>)Address(context, "pthread_attr_getstack");
        var destroy = (delegate* unmanaged<void*, int>)Address(context, "pthread_attr_destroy");
        nuint found = 0;
        nuint foundBytes = 0;
        byte* attribute = stackalloc byte[AttributeBytes];
        if (self != null && attributes != null && getStack != null && destroy != null && attributes(self(), attribute) == 0)
        {
            _ = getStack(attribute, &found, &foundBytes);
            _ = destroy(attribute);
        }

        stack = found;
        bytes = foundBytes;
    }

    private static void FindSignalStack(INativeContext context, out nuint stack, out nuint bytes)
    {
        var sigaltstack = (delegate* unmanaged<void*, nuint*, int>)Address(context, "sigaltstack");
        nuint* description = stackalloc nuint[3]; // { address, flags, bytes }
        new Span<nuint>(description, 3).Clear();
        _ = sigaltstack == null ? 0 : sigaltstack(null, description);
        stack = description[0];
        bytes = description[2];
    }

    private static nint Address(INativeContext context, string name) => context.TryGetProcAddress(name, out nint address) ? address : 0;
}

/// <summary>
/// A thread's priority on Linux is its nice value, which setpriority changes for the calling thread alone. A thread of nice 19 gets about a
/// seventieth of a processor that one of nice 0 wants too, and all of one that nobody wants.
/// </summary>
internal static unsafe class LinuxThreadPriority
{
    public const int LowestNice = 19;
    private const int OfProcess = 0; // PRIO_PROCESS; with 0 for "who" it is the calling thread

    public static void Lower(INativeContext context)
    {
        if (context.TryGetProcAddress("setpriority", out nint setpriority))
        {
            // Raising one's nice value is always allowed.
            _ = ((delegate* unmanaged<int, uint, int, int>)setpriority)(OfProcess, 0, LowestNice);
        }
    }
}
