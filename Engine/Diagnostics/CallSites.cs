using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Says where in the program a fault happened: from the instruction outwards to the first managed method whose name is known, at most
/// four places. Native code is "library!function" where the library exports it, else "library+offset". Cold.
/// </summary>
internal sealed unsafe class CallSites
{
    private const int MostPlaces = 4;

    private readonly ProcessMappings _mappings;
    private readonly delegate* unmanaged<nuint, nint*, int> _dladdr;

    // Asked for with the first fault; where none is recorded the runtime is left alone.
    private CompiledMethods? _methods;

    public CallSites(LinuxFiles files, INativeContext context)
    {
        _mappings = new ProcessMappings(files);
        _mappings.Read();
        _dladdr = (delegate* unmanaged<nuint, nint*, int>)(context.TryGetProcAddress("dladdr", out nint dladdr) ? dladdr : 0);
    }

    /// <summary>The places from the inside out, "memset &lt; Game.World.Load"; empty where nothing is known.</summary>
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
        if (index < 0 || _mappings.All[index].Path is not { } path || path.StartsWith("/memfd:", StringComparison.Ordinal))
            return "JIT code";

        string file = Path.GetFileName(path);
        ProcessMapping mapping = _mappings.All[index];
        return SymbolOf(instruction) is { } symbol ? $"{file}!{symbol}" : $"{file}+0x{instruction - mapping.Start + mapping.FileOffset:x}";
    }

    private string? SymbolOf(nuint instruction)
    {
        const int SymbolName = 2; // Dl_info: file, its base, symbol, the symbol's address
        nint* found = stackalloc nint[4];
        return _dladdr != null && _dladdr(instruction, found) != 0 && found[SymbolName] != 0 ? Marshal.PtrToStringUTF8(found[SymbolName]) : null;
    }
}

/// <summary>
/// The methods that the runtime has compiled, by address. The runtime is asked through its diagnostics port, as tools do (commands
/// EnablePerfMap and DisablePerfMap of the diagnostics IPC protocol, documentation/design-docs/ipc-protocol.md of dotnet/diagnostics), to
/// write them to the file that Linux's perf reads. Nothing is known where that port is closed, or when compiled ahead of time. Cold.
/// </summary>
internal sealed class CompiledMethods
{
    private const byte ProcessCommands = 4;
    private const byte EnablePerfMap = 5;
    private const byte DisablePerfMap = 6;
    private const int WaitMilliseconds = 5000;

    private readonly List<(nuint Start, nuint Bytes, string Name)> _methods = [];

    /// <summary>The methods compiled until now.</summary>
    public static CompiledMethods Find()
    {
        CompiledMethods found = new();
        string file = Path.Combine(Path.GetTempPath(), $"perf-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}.map");
        bool isOthers = File.Exists(file);
        try
        {
            if (isOthers || TrySend(EnablePerfMap, [3, 0, 0, 0])) // the map, without the dump of the code
            {
                found.Read(file);
            }

            if (!isOthers && File.Exists(file))
            {
                TrySend(DisablePerfMap, []);
                File.Delete(file);
            }
        }
        catch (Exception error) when (error is IOException or SocketException or UnauthorizedAccessException)
        {
            // Then places in the program have no names.
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

    /// <summary>"void [Assembly] Namespace.Type::Method(int32)[Tier1]" without all that is not the name.</summary>
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
        string pattern = $"dotnet-diagnostic-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}-*-socket";
        string[] ports = Directory.GetFiles(Path.GetTempPath(), pattern);
        if (ports.Length == 0)
            return false;

        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = WaitMilliseconds };
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
            string[] parts = line.Split(' ', 3);
            if (parts.Length == 3
                && parts[0].StartsWith("0x", StringComparison.Ordinal)
                && nuint.TryParse(parts[0].AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out nuint start)
                && nuint.TryParse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out nuint bytes))
            {
                _methods.Add((start, bytes, Shorten(parts[2])));
            }
        }
    }
}
