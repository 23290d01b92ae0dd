using System.Runtime.InteropServices;
using Engine.Platform;
using Silk.NET.Core.Contexts;

namespace Engine.Profiling;

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
            {
                places.Add(place);
            }

            if (method is not null)
            {
                break;
            }
        }

        return string.Join(" < ", places);
    }

    private string NativePlace(nuint instruction)
    {
        int index = _mappings.IndexOf(instruction);
        if (index < 0 || _mappings.All[index].Path is not { } path || path.StartsWith("/memfd:", StringComparison.Ordinal))
        {
            return "JIT code";
        }

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
