using Silk.NET.Core.Contexts;

namespace SuperSlab.Scenes;

/// <summary>
/// Says whose memory a page fault outside the engine was in, which code touched it, and what to do about it. Between
/// frames, on the guard's thread.
/// </summary>
/// <remarks>
/// It looks addresses up in its last reading of /proc/self/maps. It reads again for an address that is not there, once a
/// frame where rules depend on it and at most every 50 ms otherwise, because a reading takes the better part of a
/// millisecond. Only new names allocate.
/// </remarks>
internal sealed class FaultPlaces : IDisposable
{
    private const int LeastMilliseconds = 50;

    private readonly LinuxFiles _files;
    private readonly INativeContext _context;
    private readonly MappingOwners _mappings;
    private readonly PageMoves _moves;
    private readonly PageMoveWatch _watch;
    private long _lastReading;
    private bool _isExact;
    private bool _hasRead;

    public FaultPlaces(EngineMemory memory)
    {
        _context = memory.Options.NativeContext ?? new SystemLibraries();
        _files = new LinuxFiles(_context);
        _mappings = new MappingOwners(new ProcessMappings(_files), _files, memory.Contains);
        Read();
        _moves = new PageMoves(_files);
        _watch = new PageMoveWatch(_moves);
    }

    /// <summary>What the kernel did with resident pages in the last moments. Cold.</summary>
    public PageMoveCounts Moves() => _moves.Lately();

    public void Dispose() => _watch.Dispose();

    /// <summary>Knows the thread's stack by its name.</summary>
    public void Add(string thread) => _mappings.Add(LinuxThread.Current(_context), thread);

    /// <summary>Reads the address space again.</summary>
    public void Read()
    {
        _mappings.Read();
        _lastReading = Environment.TickCount64;
    }

    /// <summary>The faults of another frame follow.</summary>
    /// <param name="isExact">Whether rules depend on their kinds.</param>
    public void BeginFrame(bool isExact)
    {
        _isExact = isExact;
        _hasRead = false;
    }

    /// <summary>The metric that counts a fault outside the engine.</summary>
    public HotLoopMetric KindOf(in PlacedFault fault)
    {
        (string kind, string? name) = Find(fault.Address);
        if (kind == MappingKinds.GcHeap || (kind == MappingKinds.GcHeapOrNeighbour && IsByRuntime(fault)))
            return HotLoopMetric.HeapFaults;

        bool isRuntimes = IsRuntimes(kind, name);
        if (!isRuntimes && kind is not (MappingKinds.Library or MappingKinds.File))
            isRuntimes = Find(fault.Instruction) is (MappingKinds.Library, { } code) && IsRuntimeLibrary(code);

        return isRuntimes ? HotLoopMetric.RuntimeFaults : HotLoopMetric.NativeFaults;
    }

    /// <summary>The owner of a fault outside the engine, as in "native library libGL.so.1". Cold.</summary>
    public string OwnerOf(in PlacedFault fault)
    {
        (string kind, string? name) = Find(fault.Address);
        return name is null ? kind : $"{kind} ({name})";
    }

    /// <summary>
    /// The code that touched the page, as in "libc.so.6!memset"; null where it is not known. Cold: for the name of a
    /// compiled method the runtime lists all of them.
    /// </summary>
    public string? CodeOf(in PlacedFault fault, bool namesMethods) =>
        fault.Instruction == 0 ? null : new CallSites(_files, _context).PlaceOf(fault.Instruction, namesMethods);

    /// <summary>What to do about a fault outside the engine.</summary>
    public string AdviceOn(in PlacedFault fault) => Find(fault.Address).Kind switch
    {
        _ when fault.Kind == HotLoopMetric.HeapFaults =>
            "the managed heap grew: keep managed allocations out of frames",
        MappingKinds.ThreadStack => "the stack grew: run the deepest calls in the warm-up, "
            + "or raise WorkerPoolOptions.PreparedStackBytes",
        _ when fault.Kind == HotLoopMetric.RuntimeFaults => "code was compiled or ran for the first time during the "
            + "frame: warm up until frames are quiet, publish ahead of time, or set TieredCompilation to false",
        _ => "a library took or touched new memory: let it do so at level load, or put the call into "
            + "HotLoopGuard.Exclude",
    };

    /// <summary>Whether compiled methods or the runtime touched the page, as they do objects.</summary>
    private bool IsByRuntime(in PlacedFault fault) =>
        Find(fault.Instruction) is var (kind, name) && IsRuntimes(kind, name);

    private static bool IsRuntimes(string kind, string? name) =>
        kind is MappingKinds.JitCode or MappingKinds.Assembly or MappingKinds.Program
        || (kind == MappingKinds.Library && IsRuntimeLibrary(name!));

    private static bool IsRuntimeLibrary(string name) =>
        name.StartsWith("libcoreclr", StringComparison.Ordinal)
        || name.StartsWith("libclr", StringComparison.Ordinal)
        || name.StartsWith("libSystem.", StringComparison.Ordinal)
        || name.StartsWith("libhost", StringComparison.Ordinal);

    private (string Kind, string? Name) Find(nuint address)
    {
        if (!_mappings.TryFind(address, out string kind, out string? name)
            && !_hasRead && (_isExact || Environment.TickCount64 - _lastReading >= LeastMilliseconds))
        {
            _hasRead = true;
            Read();
            _ = _mappings.TryFind(address, out kind, out name);
        }

        return (kind, name);
    }
}
