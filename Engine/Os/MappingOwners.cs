using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>
/// Names the owners of memory outside the engine, by /proc/self/maps, by addresses of objects on the collector's heap,
/// and by the stacks of the observed threads. One thread at a time.
/// </summary>
/// <remarks>
/// The collector's heap is one reservation with some accessible pieces, which the kernel shows as adjacent anonymous
/// mappings. So the heap lies between an object's mapping and the last ones that join without a gap or another owner.
/// Others' memory may join, too: <see cref="HeapRange"/> knows how much of it is the heap's.
/// </remarks>
internal sealed unsafe class MappingOwners(ProcessMappings mappings, LinuxFiles files, Predicate<nint> isEngines)
{
    private const nuint MallocArenaBytes = 64 << 20;

    private readonly object _small = new();
    private readonly byte[] _large = GC.AllocateUninitializedArray<byte>(128 * 1024);
    private readonly byte[] _pinned = GC.AllocateUninitializedArray<byte>(16, pinned: true);
    private readonly string _literal = "a literal lies in the heap of what is never collected";
    private readonly HeapRange _heap = new(HeapRange.TellBytes());
    private readonly LinuxPages _pages = new(files, (nuint)Environment.SystemPageSize);

    /// <summary>Replaced as a whole: a thread may be added while another reads.</summary>
    private (LinuxThread Thread, string Name)[] _threads = [];
    private readonly string _program = Path.GetFileName(Environment.ProcessPath) ?? "";
    private readonly Dictionary<string, (string Kind, string Name)> _files = [];
    private (string Kind, string? Name)[] _owners = [];

    /// <summary>Knows the thread's stacks from the next <see cref="Read"/> on.</summary>
    public void Add(LinuxThread thread, string name) => _threads = [(thread, name), .. _threads];

    /// <summary>Reads the address space again.</summary>
    public void Read()
    {
        mappings.Read();
        ReadOnlySpan<ProcessMapping> all = mappings.All;
        if (_owners.Length < all.Length)
            _owners = new (string, string?)[2 * all.Length];

        for (int index = 0; index < all.Length; index++)
            _owners[index] = Classify(all, index);

        MarkHeap(AddressOf(_small), isInRange: true);
        MarkHeap(AddressOf(_large), isInRange: true);
        MarkHeap(AddressOf(_pinned), isInRange: true);
        MarkHeap(AddressOf(_literal), isInRange: false);
    }

    /// <summary>The kind and name of an address's mapping; false where the last reading had none.</summary>
    public bool TryFind(nuint address, out string kind, out string? name)
    {
        int index = mappings.IndexOf(address);
        (kind, name) = index < 0 ? (MappingKinds.Vanished, null)
            : _owners[index] is var owner && owner.Kind == MappingKinds.GcHeap ? OfHeap(address) : owner;
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
                return (MappingKinds.ThreadStack, name);
            }
        }

        return mapping.Path is not null ? OfPath(mapping.Path)
            : mapping.IsExecutable ? OfGeneratedCode(mapping)
            : IsMallocArena(mapping) ? (MappingKinds.MallocHeap, "an arena of the C library")
            : IsZeroedData(all, index) ? _owners[index - 1]
            : (MappingKinds.Anonymous, null);
    }

    /// <summary>
    /// The runtime's own compiler writes to a file in memory, or, where that is turned off, to memory that can be
    /// written and run. Others, such as LLVM in a software driver, take the right to write away from finished code.
    /// </summary>
    private static (string Kind, string? Name) OfGeneratedCode(in ProcessMapping mapping) =>
        mapping.IsWritable && RuntimeFeature.IsDynamicCodeCompiled
            ? (MappingKinds.JitCode, "compiled methods")
            : (MappingKinds.GeneratedCode, "code that a library generated");

    /// <summary>Whether it is the zeroed data of the library or program that is mapped before it.</summary>
    private bool IsZeroedData(ReadOnlySpan<ProcessMapping> all, int index) => index != 0
        && all[index].IsWritable
        && all[index - 1].End == all[index].Start
        && _owners[index - 1].Kind is MappingKinds.Library or MappingKinds.Program;

    private static bool Overlap(ProcessMapping mapping, nuint start, nuint bytes) =>
        bytes != 0 && mapping.IsWritable && mapping.Start < start + bytes && start < mapping.End;

    /// <summary>
    /// glibc's arenas for threads begin at multiples of 64 MiB with the address of their state, which follows closely.
    /// It is read through a file, because the mapping may be gone by now. The engine's SuperSlabs may begin there as
    /// well, and pages without contents stay so: reading would make them resident.
    /// </summary>
    private bool IsMallocArena(in ProcessMapping mapping)
    {
        const nuint LargestHeaderBytes = 128;
        bool mayBeOne = mapping.Start % MallocArenaBytes == 0 && mapping.IsWritable
            && !isEngines((nint)mapping.Start) && _pages.HasContents(mapping.Start);
        if (!mayBeOne)
            return false;

        nuint state = 0;
        _ = files.TryReadMemory(mapping.Start, &state, (nuint)sizeof(nuint));
        return state != 0 && state % MallocArenaBytes is > 0 and <= LargestHeaderBytes;
    }

    private (string Kind, string? Name) OfHeap(nuint address) => _heap.Contains(address) switch
    {
        true => (MappingKinds.GcHeap, "objects"),
        false => (MappingKinds.Anonymous, null),
        null => (MappingKinds.GcHeapOrNeighbour, null),
    };

    /// <param name="address">An object's.</param>
    /// <param name="isInRange">Whether it surely lies in the collector's one range, as literals need not.</param>
    private void MarkHeap(nuint address, bool isInRange)
    {
        ReadOnlySpan<ProcessMapping> all = mappings.All;
        int first = mappings.IndexOf(address);
        if (first < 0 || !IsHeaps(all, first) || (!isInRange && _owners[first].Kind == MappingKinds.GcHeap))
            return;

        int last = first;
        while (first > 0 && all[first - 1].End == all[first].Start && IsHeaps(all, first - 1))
            first--;

        while (last + 1 < all.Length && all[last].End == all[last + 1].Start && IsHeaps(all, last + 1))
            last++;

        // The kernel may show the engine's memory in one piece with what lies above it.
        nuint lowest = all[first].Start;
        if (first > 0 && isEngines((nint)all[first - 1].Start) && !isEngines((nint)lowest - 1))
            lowest = all[first - 1].Start;

        bool isKnown = isInRange && _heap.TryNote(address, lowest, all[last].End);
        string kind = isKnown ? MappingKinds.GcHeap : MappingKinds.GcHeapOrNeighbour;
        _owners.AsSpan(first, last - first + 1).Fill((kind, null));
    }

    private bool IsHeaps(ReadOnlySpan<ProcessMapping> all, int index) =>
        _owners[index].Kind is MappingKinds.Anonymous or MappingKinds.GcHeap or MappingKinds.GcHeapOrNeighbour
        && !isEngines((nint)all[index].Start);

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
            "[heap]" => (MappingKinds.MallocHeap, "the C library's main heap"),
            "[stack]" => (MappingKinds.ThreadStack, "the first thread"),
            _ when path[0] == '[' => (MappingKinds.Other, file),
            _ when file.StartsWith("memfd:doublemapper", StringComparison.Ordinal) =>
                (MappingKinds.JitCode, "compiled methods"),
            _ when isDevice => (MappingKinds.Other, file),
            _ when file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) => (MappingKinds.Assembly, file),
            _ when isLibrary => (MappingKinds.Library, file),
            _ => (file == _program ? MappingKinds.Program : MappingKinds.File, file),
        };
    }
}

/// <summary>What a mapping is, as reports call it.</summary>
internal static class MappingKinds
{
    public const string GcHeap = "GC heap";

    /// <summary>The kernel shows them in one piece.</summary>
    public const string GcHeapOrNeighbour = "GC heap or a neighbour of it";
    public const string JitCode = "JIT code";
    public const string GeneratedCode = "generated code";
    public const string Library = "native library";
    public const string Program = "program";
    public const string Assembly = "assembly";
    public const string File = "file";
    public const string MallocHeap = "malloc heap";
    public const string Other = "other mapping";

    /// <summary>A stack, thread-local data and the stack of signal handlers included.</summary>
    public const string ThreadStack = "thread stack";

    // Memory without a name, or unmapped by the time of look-up: reports name the code that touched it.
    public const string Anonymous = "anonymous memory";
    public const string Vanished = "short-lived mapping";
}
