// What the kernel can do to pages that are resident, asked for again and again. Most of it needs root.
using System.Runtime.InteropServices;
using System.Text;
using SuperSlab;

namespace PlatformProbe;

/// <summary>One way to make the kernel move, merge or take pages. Settings are put back at the end.</summary>
internal abstract class Stressor : IDisposable
{
    private readonly List<KernelSetting> _settings = [];

    public abstract string Name { get; }

    /// <summary>Every way, beginning with none.</summary>
    public static IReadOnlyList<Func<Stressor>> All { get; } =
    [
        () => new Calm(), () => new Compaction(), () => new HugePageDaemon(), () => new GroupReclaim(),
        () => new PageOut(), () => new Merging(), () => new Swap(), () => new NodeMigration(), () => new Forks(),
    ];

    /// <summary>Prepares it, before the memory is made; null, or why it cannot be had here.</summary>
    public virtual string? Prepare() => null;

    /// <summary>Says whose pages are to be strained.</summary>
    public virtual void Aim(EngineMemory memory)
    {
    }

    /// <summary>Strains the memory once: each 20 ms, on a thread beside the frames.</summary>
    public virtual void Strain()
    {
    }

    public virtual void Dispose()
    {
        for (int index = _settings.Count - 1; index >= 0; index--)
            _settings[index].Dispose();
    }

    /// <summary>Changes a setting until the end; null, or why it cannot be changed.</summary>
    protected string? Set(string path, string value)
    {
        string? whyNot = KernelSetting.TryChange(path, value, out KernelSetting? setting);
        if (setting is not null)
            _settings.Add(setting);

        return whyNot;
    }
}

/// <summary>Nothing: what the others are held against.</summary>
internal sealed class Calm : Stressor
{
    public override string Name => "nothing";
}

/// <summary>The whole machine's memory is compacted.</summary>
internal sealed class Compaction : Stressor
{
    private const string Path = "/proc/sys/vm/compact_memory";

    public override string Name => "compaction";

    public override string? Prepare() => KernelSetting.TryWrite(Path, "1");

    public override void Strain() => KernelSetting.TryWrite(Path, "1");
}

/// <summary>khugepaged looks for pages to collapse each 5 ms, wherever they are.</summary>
internal sealed class HugePageDaemon : Stressor
{
    private const string Folder = "/sys/kernel/mm/transparent_hugepage/";

    public override string Name => "khugepaged";

    public override string? Prepare() =>
        Set(Folder + "enabled", "always") ?? Set(Folder + "khugepaged/scan_sleep_millisecs", "5")
            ?? Set(Folder + "khugepaged/alloc_sleep_millisecs", "5")
            ?? Set(Folder + "khugepaged/pages_to_scan", "100000");
}

/// <summary>The process's control group is told to give memory back.</summary>
internal sealed class GroupReclaim : Stressor
{
    private string _path = "";

    public override string Name => "memory.reclaim";

    public override string? Prepare()
    {
        string? line = File.Exists("/proc/self/cgroup")
            ? File.ReadLines("/proc/self/cgroup")
                .FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal))
            : null;
        _path = $"/sys/fs/cgroup{line?[3..].TrimEnd('/')}/memory.reclaim";
        return line is null || !File.Exists(_path) ? "no control group of version 2 with memory.reclaim" : null;
    }

    public override void Strain() => KernelSetting.TryWrite(_path, "32M");
}

/// <summary>Another process's right is used on the engine's memory: MADV_PAGEOUT by process_madvise.</summary>
internal unsafe class PageOut : Stressor
{
    private const int ProcessOpen = 434; // pidfd_open, the same number on all processors
    private const int ProcessAdvise = 440; // process_madvise
    private const int Advice = 21; // MADV_PAGEOUT
    private const nuint Bytes = 512 << 20;

    private nint _base;
    private long _process = -1;

    public override string Name => "MADV_PAGEOUT";

    public override string? Prepare()
    {
        _process = Kernel.Call(ProcessOpen, Environment.ProcessId);
        return _process < 0 ? Kernel.LastError("pidfd_open") : null;
    }

    public override void Aim(EngineMemory memory) => _base = memory.ReservationBase;

    /// <summary>The kernel refuses where a page of the range is locked.</summary>
    public override void Strain()
    {
        nint* vector = stackalloc nint[2];
        (vector[0], vector[1]) = (_base, (nint)Bytes);
        _ = Kernel.Call(ProcessAdvise, (nint)_process, (nint)vector, 1, Advice);
    }

    public override void Dispose()
    {
        if (_process >= 0)
            _ = Kernel.Close((int)_process);

        base.Dispose();
    }
}

/// <summary>The same with a swap file to put pages into.</summary>
internal sealed unsafe class Swap : PageOut
{
    private const int Pages = 128 << 8;
    private readonly string _path = Path.Combine(AppContext.BaseDirectory, $"stress-{Environment.ProcessId}.swap");
    private bool _isOn;

    public override string Name => "MADV_PAGEOUT, swap";

    public override string? Prepare()
    {
        try
        {
            WriteFile();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return error.Message;
        }

        fixed (byte* path = Encoding.UTF8.GetBytes(_path + "\0"))
            _isOn = Kernel.SwapOn(path, 0) == 0;

        return _isOn ? base.Prepare() : Kernel.LastError("swapon");
    }

    public override void Dispose()
    {
        if (_isOn)
        {
            fixed (byte* path = Encoding.UTF8.GetBytes(_path + "\0"))
                _ = Kernel.SwapOff(path);
        }

        File.Delete(_path);
        base.Dispose();
    }

    /// <summary>What mkswap writes: the union swap_header of the kernel's linux/swap.h.</summary>
    private void WriteFile()
    {
        int page = Environment.SystemPageSize;
        byte[] header = new byte[page];
        BitConverter.TryWriteBytes(header.AsSpan(1024), 1); // version
        BitConverter.TryWriteBytes(header.AsSpan(1028), Pages - 1); // last page
        "SWAPSPACE2"u8.CopyTo(header.AsSpan(page - 10));
        using FileStream file = File.Create(_path);
        file.Write(header);
        byte[] empty = new byte[1 << 20];
        for (long written = page; written < (long)Pages * page; written += empty.Length)
            file.Write(empty); // a swap file has no holes
    }
}

/// <summary>Equal pages of the process are merged (KSM).</summary>
internal sealed class Merging : Stressor
{
    private const int SetMemoryMerge = 67; // PR_SET_MEMORY_MERGE, Linux 6.4
    private const string Folder = "/sys/kernel/mm/ksm/";

    public override string Name => "KSM";

    public override string? Prepare()
    {
        if (Kernel.Control(SetMemoryMerge, 1) != 0)
            return Kernel.LastError("prctl(PR_SET_MEMORY_MERGE)");

        return Set(Folder + "sleep_millisecs", "1")
            ?? Set(Folder + "pages_to_scan", "20000")
            ?? Set(Folder + "run", "1");
    }

    public override void Dispose()
    {
        _ = Kernel.Control(SetMemoryMerge, 0);
        base.Dispose();
    }
}

/// <summary>Pages are moved to other memory nodes and back.</summary>
internal sealed unsafe class NodeMigration : Stressor
{
    private const int Pages = 8192;
    private const int MoveOwn = 2; // MPOL_MF_MOVE
    private readonly nint[] _pages = new nint[Pages];
    private readonly int[] _nodes = new int[Pages];
    private readonly int[] _states = new int[Pages];

    public override string Name => "move_pages";

    private static int Number => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 279 : 239;

    public override string? Prepare()
    {
        const string Online = "/sys/devices/system/node/online";
        return !File.Exists(Online) || File.ReadAllText(Online).Trim() == "0" ? "one memory node: nowhere to go" : null;
    }

    public override void Aim(EngineMemory memory)
    {
        for (int index = 0; index < Pages; index++)
            _pages[index] = memory.ReservationBase + (index * Environment.SystemPageSize);
    }

    public override void Strain()
    {
        Array.Fill(_nodes, 1 - _nodes[0]);
        fixed (nint* pages = _pages)
        fixed (int* nodes = _nodes, states = _states)
            _ = Kernel.Call(Number, 0, Pages, (nint)pages, (nint)nodes, (nint)states, MoveOwn);
    }
}

/// <summary>The process forks; the child ends at once.</summary>
internal sealed class Forks : Stressor
{
    public override string Name => "fork";

    public override void Strain() => Kernel.ForkAndForget();
}

/// <summary>A file of the kernel with another value for a while.</summary>
internal sealed class KernelSetting : IDisposable
{
    private readonly string _path;
    private readonly string _before;

    private KernelSetting(string path, string before) => (_path, _before) = (path, before);

    /// <summary>Writes a value until the setting is disposed of; null, or why that cannot be.</summary>
    public static string? TryChange(string path, string value, out KernelSetting? setting)
    {
        setting = null;
        try
        {
            string before = File.ReadAllText(path).Trim();
            int chosen = before.IndexOf('[', StringComparison.Ordinal); // "always [madvise] never"
            File.WriteAllText(path, value);
            int end = chosen < 0 ? -1 : before.IndexOf(']', StringComparison.Ordinal);
            setting = new(path, end < 0 ? before : before[(chosen + 1)..end]);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return error.Message;
        }
    }

    /// <summary>Writes a value; null, or why that cannot be.</summary>
    public static string? TryWrite(string path, string value)
    {
        try
        {
            File.WriteAllText(path, value);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return error.Message;
        }
    }

    public void Dispose() => TryWrite(_path, _before);
}

/// <summary>The system's functions that the stressors need.</summary>
internal static unsafe class Kernel
{
    private static readonly SystemLibraries s_library = new();

    public static long Call(
        int number, nint first, nint second = 0, nint third = 0, nint fourth = 0, nint fifth = 0, nint sixth = 0) =>
        ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)Find("syscall"))(
            number, first, second, third, fourth, fifth, sixth);

    public static int Close(int file) => ((delegate* unmanaged<int, int>)Find("close"))(file);

    public static int Control(int option, nint value) =>
        ((delegate* unmanaged<int, nint, nint, nint, nint, int>)Find("prctl"))(option, value, 0, 0, 0);

    public static int SwapOn(byte* path, int flags) =>
        ((delegate* unmanaged<byte*, int, int>)Find("swapon"))(path, flags);

    public static int SwapOff(byte* path) => ((delegate* unmanaged<byte*, int>)Find("swapoff"))(path);

    /// <summary>The child has no other threads, so neither it nor its return may wait for the collector.</summary>
    public static void ForkAndForget()
    {
        var fork = (delegate* unmanaged[SuppressGCTransition]<int>)Find("fork");
        var exit = (delegate* unmanaged[SuppressGCTransition]<int, void>)Find("_exit");
        var wait = (delegate* unmanaged<int, int*, int, int>)Find("waitpid");
        int child = fork();
        if (child == 0)
            exit(0);

        _ = wait(child, null, 0);
    }

    public static string LastError(string call)
    {
        int error = Marshal.GetLastSystemError();
        return $"{call}: {Marshal.GetPInvokeErrorMessage(error)} ({error})";
    }

    private static nint Find(string name) => s_library.GetProcAddress(name);
}
