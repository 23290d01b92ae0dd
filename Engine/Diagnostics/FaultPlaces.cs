using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Names the owners of memory outside the engine, by /proc/self/maps, by addresses of objects on the collector's heap,
/// and by the stacks of the observed threads. One thread at a time.
/// </summary>
/// <remarks>
/// The collector's heap is one reservation with some accessible pieces, which the kernel shows as adjacent anonymous
/// mappings. So the heap reaches from an object's mapping as far as mappings join without a gap or another owner.
/// </remarks>
internal sealed unsafe class MappingOwners(ProcessMappings mappings, LinuxFiles files, Predicate<nint> isEngines)
{
    private const nuint MallocArenaBytes = 64 << 20;

    private readonly object _small = new();
    private readonly byte[] _large = GC.AllocateUninitializedArray<byte>(128 * 1024);
    private readonly byte[] _pinned = GC.AllocateUninitializedArray<byte>(16, pinned: true);
    private readonly string _literal = "a literal lies in the heap of what is never collected";
    private readonly List<(LinuxThread Thread, string Name)> _threads = [];
    private readonly string _program = Path.GetFileName(Environment.ProcessPath) ?? "";
    private readonly Dictionary<string, (string Kind, string Name)> _files = [];
    private (string Kind, string? Name)[] _owners = [];

    /// <summary>Knows the thread's stacks from the next <see cref="Read"/> on.</summary>
    public void Add(LinuxThread thread, string name) => _threads.Insert(0, (thread, name));

    /// <summary>Reads the address space again.</summary>
    public void Read()
    {
        mappings.Read();
        ReadOnlySpan<ProcessMapping> all = mappings.All;
        if (_owners.Length < all.Length)
            _owners = new (string, string?)[2 * all.Length];

        for (int index = 0; index < all.Length; index++)
            _owners[index] = Classify(all, index);

        MarkHeap(AddressOf(_small));
        MarkHeap(AddressOf(_large));
        MarkHeap(AddressOf(_pinned));
        MarkHeap(AddressOf(_literal));
    }

    /// <summary>The kind and name of an address's mapping; false where the last reading had none.</summary>
    public bool TryFind(nuint address, out string kind, out string? name)
    {
        int index = mappings.IndexOf(address);
        (kind, name) = index < 0 ? (FaultKinds.Vanished, null) : _owners[index];
        return index >= 0;
    }

    private static nuint AddressOf(object target) => Unsafe.As<object, nuint>(ref target);

    private (string Kind, string? Name) Classify(ReadOnlySpan<ProcessMapping> all, int index)
    {
        ProcessMapping mapping = all[index];
        foreach ((LinuxThread thread, string name) in _threads)
        {
            if (Overlap(mapping, thread.Stack, thread.StackBytes)
                || Overlap(mapping, thread.SignalStack, thread.SignalStackBytes))
            {
                return (FaultKinds.ThreadStack, name);
            }
        }

        return mapping.Path is not null ? OfPath(mapping.Path)
            : mapping.IsExecutable ? (FaultKinds.JitCode, "compiled methods")
            : IsMallocArena(mapping) ? (FaultKinds.MallocHeap, "an arena of the C library")
            : IsZeroedData(all, index) ? _owners[index - 1]
            : (FaultKinds.Anonymous, null);
    }

    /// <summary>Whether it is the zeroed data of the library or program that is mapped before it.</summary>
    private bool IsZeroedData(ReadOnlySpan<ProcessMapping> all, int index) => index != 0
        && all[index].IsWritable
        && all[index - 1].End == all[index].Start
        && _owners[index - 1].Kind is FaultKinds.Library or FaultKinds.Program;

    private static bool Overlap(ProcessMapping mapping, nuint start, nuint bytes) =>
        bytes != 0 && mapping.IsWritable && mapping.Start < start + bytes && start < mapping.End;

    /// <summary>
    /// glibc's arenas for threads begin at multiples of 64 MiB with the address of their state, which follows closely.
    /// It is read through a file, because the mapping may be gone by now.
    /// </summary>
    private bool IsMallocArena(in ProcessMapping mapping)
    {
        const nuint LargestHeaderBytes = 128;
        if (mapping.Start % MallocArenaBytes != 0 || !mapping.IsWritable)
            return false;

        nuint state = 0;
        int memory = files.Open("/proc/self/mem\0"u8);
        if (memory >= 0)
        {
            _ = files.ReadAt(memory, &state, (nuint)sizeof(nuint), (long)mapping.Start);
            files.Close(memory);
        }

        return state != 0 && state % MallocArenaBytes is > 0 and <= LargestHeaderBytes;
    }

    private void MarkHeap(nuint address)
    {
        ReadOnlySpan<ProcessMapping> all = mappings.All;
        int first = mappings.IndexOf(address);
        if (first < 0 || !IsHeaps(all, first))
            return;

        int last = first;
        while (first > 0 && all[first - 1].End == all[first].Start && IsHeaps(all, first - 1))
            first--;

        while (last + 1 < all.Length && all[last].End == all[last + 1].Start && IsHeaps(all, last + 1))
            last++;

        _owners.AsSpan(first, last - first + 1).Fill((FaultKinds.GcHeap, "objects"));
    }

    private bool IsHeaps(ReadOnlySpan<ProcessMapping> all, int index) =>
        _owners[index].Kind is FaultKinds.Anonymous or FaultKinds.GcHeap && !isEngines((nint)all[index].Start);

    private (string Kind, string? Name) OfPath(string path)
    {
        if (!_files.TryGetValue(path, out (string Kind, string Name) known))
        {
            string file = Path.GetFileName(path.Replace(" (deleted)", "", StringComparison.Ordinal));
            known = KindAndName(path, file);
            _files.Add(path, known);
        }

        return known;
    }

    private (string Kind, string Name) KindAndName(string path, string file)
    {
        bool isDevice = path.StartsWith("/memfd:", StringComparison.Ordinal)
            || path.StartsWith("/dev/", StringComparison.Ordinal);
        bool isLibrary = file.EndsWith(".so", StringComparison.Ordinal)
            || file.Contains(".so.", StringComparison.Ordinal);
        return path switch
        {
            "[heap]" => (FaultKinds.MallocHeap, "the C library's main heap"),
            "[stack]" => (FaultKinds.ThreadStack, "the first thread"),
            _ when path[0] == '[' => (FaultKinds.Other, file),
            _ when file.StartsWith("memfd:doublemapper", StringComparison.Ordinal) =>
                (FaultKinds.JitCode, "compiled methods"),
            _ when isDevice => (FaultKinds.Other, file),
            _ when file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) => (FaultKinds.Assembly, file),
            _ when isLibrary => (FaultKinds.Library, file),
            _ => (file == _program ? FaultKinds.Program : FaultKinds.File, file),
        };
    }
}

/// <summary>
/// Names the place of a fault in the program: from the instruction outwards to the first managed method with a known
/// name, at most four places. Native code is "library!function" where the library exports it, else "library+offset".
/// Cold.
/// </summary>
internal sealed unsafe class CallSites
{
    private const int MostPlaces = 4;

    private readonly ProcessMappings _mappings;
    private readonly delegate* unmanaged<nuint, nint*, int> _dladdr;

    // Found with the first fault: without one the runtime is left alone.
    private CompiledMethods? _methods;

    public CallSites(LinuxFiles files, INativeContext context)
    {
        _mappings = new ProcessMappings(files);
        _mappings.Read();
        context.TryGetProcAddress("dladdr", out nint dladdr);
        _dladdr = (delegate* unmanaged<nuint, nint*, int>)dladdr;
    }

    /// <summary>The places from the inside out, as in "memset &lt; Game.World.Load"; may be empty.</summary>
    public string Describe(in FaultSample sample)
    {
        _methods ??= CompiledMethods.Find();
        List<string> places = [];
        for (int index = 0; index < Math.Min(sample.CallerCount, MostPlaces); index++)
        {
            string? method = _methods.NameOf(sample.Callers[index]);
            string place = method ?? NativePlace(sample.Callers[index]);
            if (places.Count == 0 || places[^1] != place)
                places.Add(place);

            if (method is not null)
                break;
        }

        return string.Join(" < ", places);
    }

    private string NativePlace(nuint instruction)
    {
        int index = _mappings.IndexOf(instruction);
        ProcessMapping mapping = index < 0 ? default : _mappings.All[index];
        if (mapping.Path is not { } path || path.StartsWith("/memfd:", StringComparison.Ordinal))
            return "JIT code";

        string file = Path.GetFileName(path);
        return SymbolOf(instruction) is { } symbol
            ? $"{file}!{symbol}"
            : $"{file}+0x{instruction - mapping.Start + mapping.FileOffset:x}";
    }

    private string? SymbolOf(nuint instruction)
    {
        const int SymbolName = 2; // Dl_info: file, its base, symbol, the symbol's address
        nint* found = stackalloc nint[4];
        bool isFound = _dladdr != null && _dladdr(instruction, found) != 0;
        return isFound && found[SymbolName] != 0 ? Marshal.PtrToStringUTF8(found[SymbolName]) : null;
    }
}

/// <summary>
/// The methods that the runtime has compiled, by address. None where its diagnostics port is closed, or without a JIT.
/// Cold.
/// </summary>
/// <remarks>
/// The runtime writes the file that Linux's perf reads, when its port gets the commands EnablePerfMap and
/// DisablePerfMap of the diagnostics IPC protocol (documentation/design-docs/ipc-protocol.md of dotnet/diagnostics).
/// </remarks>
internal sealed class CompiledMethods
{
    private const byte ProcessCommands = 4;
    private const byte EnablePerfMap = 5;
    private const byte DisablePerfMap = 6;
    private const int WaitMilliseconds = 5000;

    private static readonly string s_process = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);

    private readonly List<(nuint Start, nuint Bytes, string Name)> _methods = [];

    /// <summary>The methods compiled until now.</summary>
    public static CompiledMethods Find()
    {
        CompiledMethods found = new();
        string file = Path.Combine(Path.GetTempPath(), $"perf-{s_process}.map");
        bool isOfTool = File.Exists(file);
        try
        {
            // 3 is the map without the code.
            if (isOfTool || TrySend(EnablePerfMap, [3, 0, 0, 0]))
                found.Read(file);

            if (!isOfTool && File.Exists(file))
            {
                TrySend(DisablePerfMap, []);
                File.Delete(file);
            }
        }
        catch (Exception error) when (error is IOException or SocketException or UnauthorizedAccessException)
        {
            // Managed places have no names then.
        }

        found._methods.Sort(static (left, right) => left.Start.CompareTo(right.Start));
        return found;
    }

    /// <summary>The method that an instruction belongs to, as "Namespace.Type.Method", or null.</summary>
    public string? NameOf(nuint instruction)
    {
        int low = 0;
        int high = _methods.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            (nuint start, nuint bytes, string name) = _methods[middle];
            if (instruction - start < bytes)
                return name;

            (low, high) = instruction < start ? (low, middle - 1) : (middle + 1, high);
        }

        return null;
    }

    /// <summary>The name in "void [Assembly] Namespace.Type::Method(int32)[Tier1]".</summary>
    internal static string Shorten(string text)
    {
        int begin = text.IndexOf("] ", StringComparison.Ordinal);
        string name = begin < 0 ? text : text[(begin + 2)..];
        int end = name.IndexOf('(', StringComparison.Ordinal);
        return (end < 0 ? name : name[..end]).Replace("::", ".", StringComparison.Ordinal);
    }

    private static bool TrySend(byte command, ReadOnlySpan<byte> payload)
    {
        const int HeaderBytes = 20;
        const int ResponseIdOffset = 17;
        string[] ports = Directory.GetFiles(Path.GetTempPath(), $"dotnet-diagnostic-{s_process}-*-socket");
        if (ports.Length == 0)
            return false;

        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.ReceiveTimeout = WaitMilliseconds;
        socket.Connect(new UnixDomainSocketEndPoint(ports[0]));
        Span<byte> message = stackalloc byte[HeaderBytes + payload.Length];
        message.Clear();
        "DOTNET_IPC_V1"u8.CopyTo(message);
        BinaryPrimitives.WriteUInt16LittleEndian(message[14..], (ushort)message.Length);
        message[16] = ProcessCommands;
        message[ResponseIdOffset] = command;
        payload.CopyTo(message[HeaderBytes..]);
        socket.Send(message);
        Span<byte> answer = stackalloc byte[HeaderBytes];
        return socket.Receive(answer) == HeaderBytes && answer[ResponseIdOffset] == 0;
    }

    private void Read(string file)
    {
        foreach (string line in File.ReadLines(file))
        {
            // As in "0x7f3a12 1c0 name".
            string[] parts = line.Split(' ', 3);
            if (parts.Length == 3
                && parts[0].StartsWith("0x", StringComparison.Ordinal)
                && TryParse(parts[0].AsSpan(2), out nuint start)
                && TryParse(parts[1], out nuint bytes))
            {
                _methods.Add((start, bytes, Shorten(parts[2])));
            }
        }
    }

    private static bool TryParse(ReadOnlySpan<char> text, out nuint value) =>
        nuint.TryParse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);
}
