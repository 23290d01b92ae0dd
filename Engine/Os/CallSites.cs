using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Names the place of a fault in the program: from the instruction outwards to the first managed method with a known
/// name, at most four places. Native code is "library!function" where the library exports it, else "library+offset".
/// Cold.
/// </summary>
internal sealed unsafe class CallSites
{
    private const int MostPlaces = 4;
    private const string CompiledCode = "compiled code";

    private readonly LinuxFiles _files;
    private readonly ProcessMappings _mappings;
    private readonly delegate* unmanaged<nuint, nint*, int> _dladdr;
    private readonly Dictionary<nuint, Place> _places = [];

    // Found with the first fault: without one the runtime is left alone.
    private CompiledMethods? _methods;

    public CallSites(LinuxFiles files, INativeContext context)
    {
        _files = files;
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
        bool isChainKept = true;
        for (int index = 0; index < Math.Min(sample.CallerCount, MostPlaces); index++)
        {
            nuint caller = sample.Callers[index];
            string? method = _methods.NameOf(caller);
            bool isPrograms = method is not null || IsOfProgram(caller);
            bool isKnown = index == 0 || (isPrograms && (isChainKept || FollowsCall(caller)));
            isChainKept &= isPrograms;
            string place = method ?? NativePlace(caller);
            if (isKnown && (places.Count == 0 || places[^1] != place))
                places.Add(place);

            if (isKnown && method is not null)
                break;
        }

        return string.Join(" < ", places);
    }

    /// <summary>
    /// The places of a walked stack, from the inside out. It ends where the chain of frames does: a library without
    /// frame pointers leaves other values there. The runtime's frames around the outermost method are left out.
    /// </summary>
    /// <param name="returnAddresses">The callers, the innermost first.</param>
    public List<string> PlacesOf(ReadOnlySpan<nuint> returnAddresses)
    {
        _methods ??= CompiledMethods.Find();
        List<string> places = [];
        bool isChainKept = true;
        int outermostMethod = 0;
        foreach (nuint address in returnAddresses)
        {
            Place place = PlaceBefore(address);
            if (place.Text is null || !((place.IsPrograms && isChainKept) || place.FollowsCall))
                break;

            isChainKept &= place.IsPrograms;
            places.Add(place.Text);
            outermostMethod = place.IsMethod ? places.Count : outermostMethod;
        }

        if (outermostMethod != 0)
            places.RemoveRange(outermostMethod, places.Count - outermostMethod);

        return places;
    }

    /// <summary>The place of the call that returns to an address; looked up once.</summary>
    private Place PlaceBefore(nuint address)
    {
        if (!_places.TryGetValue(address, out Place place))
        {
            // What it returns to may be another method's, where the call does not return.
            nuint call = address - 1;
            string? method = _methods!.NameOf(call);
            place = new Place(
                method ?? (IsCode(call) ? NativePlace(call) : null),
                method is not null,
                method is not null || IsOfProgram(call),
                FollowsCall(address));
            _places.Add(address, place);
        }

        return place;
    }

    /// <summary>The place of one instruction.</summary>
    /// <param name="instruction">Its address.</param>
    /// <param name="namesMethods">Whether the runtime is asked for the names of compiled methods.</param>
    public string PlaceOf(nuint instruction, bool namesMethods)
    {
        string place = NativePlace(instruction);
        if (place != CompiledCode || !namesMethods)
            return place;

        _methods ??= CompiledMethods.Find();
        return _methods.NameOf(instruction) ?? place;
    }

    private bool IsCode(nuint address) =>
        _mappings.IndexOf(address) is var index and >= 0 && _mappings.All[index].IsExecutable;

    private bool IsOfProgram(nuint instruction)
    {
        int index = _mappings.IndexOf(instruction);
        return index >= 0 && _mappings.All[index].Path is { } path && path == Environment.ProcessPath;
    }

    /// <summary>
    /// Whether the instruction before this one is a call, as it is before a return address. Libraries are built without
    /// frame pointers, so what the kernel takes for their callers may be any value on the stack, addresses of memory
    /// that is not resident among them: only code is read.
    /// </summary>
    private bool FollowsCall(nuint address)
    {
        const int Longest = 7;
        if (!IsCode(address - 1) || !IsCode(address - Longest))
            return false;

        Span<byte> code = stackalloc byte[Longest];
        fixed (byte* start = code)
            return _files.TryReadMemory(address - Longest, start, Longest) && EndsWithCall(code);
    }

    internal static bool EndsWithCall(ReadOnlySpan<byte> code)
    {
        if (RuntimeInformation.ProcessArchitecture == Architecture.Arm64)
        {
            uint last = BinaryPrimitives.ReadUInt32LittleEndian(code[^4..]);
            return last >> 26 == 0b100101 || last >> 10 == 0xD63F0000 >> 10; // bl, blr
        }

        if (code[^5] == 0xE8) // call rel32
            return true;

        for (int length = 2; length <= code.Length; length++)
        {
            const int CallOperation = 2; // of opcode FF, in the middle bits of the byte after it
            if (code[^length] == 0xFF && ((code[^(length - 1)] >> 3) & 7) == CallOperation)
                return true;
        }

        return false;
    }

    private string NativePlace(nuint instruction)
    {
        int index = _mappings.IndexOf(instruction);
        ProcessMapping mapping = index < 0 ? default : _mappings.All[index];
        if (mapping.Path is not { } path || path.StartsWith("/memfd:", StringComparison.Ordinal))
            return CompiledCode;

        string file = Path.GetFileName(path);
        return SymbolOf(instruction) is { } symbol
            ? $"{file}!{symbol}"
            : $"{file}+0x{instruction - mapping.Start + mapping.FileOffset:x}";
    }

    private readonly record struct Place(string? Text, bool IsMethod, bool IsPrograms, bool FollowsCall);

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

    // The runtime answers when it has written all methods, which takes seconds where many processes share a processor.
    private const int WaitMilliseconds = 60_000;

    private static readonly string s_process = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);

    private readonly List<(nuint Start, nuint Bytes, string Name)> _methods = [];

    /// <summary>The methods compiled until now.</summary>
    public static CompiledMethods Find()
    {
        CompiledMethods found = new();
        string file = $"/tmp/perf-{s_process}.map"; // there the runtime writes it, whatever TMPDIR says
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
        using Socket? socket = Connect();
        if (socket is null)
            return false;

        socket.ReceiveTimeout = WaitMilliseconds;
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

    /// <summary>The process's port; null where it has none. A process of the same number that was killed may have left
    /// one, too, which nobody answers.</summary>
    private static Socket? Connect()
    {
        foreach (string port in Directory.GetFiles(Path.GetTempPath(), $"dotnet-diagnostic-{s_process}-*-socket"))
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint(port));
                return socket;
            }
            catch (SocketException)
            {
                socket.Dispose();
            }
        }

        return null;
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
