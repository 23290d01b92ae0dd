using System.Runtime.CompilerServices;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Whose the memory outside the engine is, by /proc/self/maps and by what the program knows of itself: where objects of the collector's
/// heap lie, and the stacks of the observed threads. One thread at a time.
/// <para>
/// The collector's heap is one reservation, in which some pieces are accessible; the kernel shows them as neighbouring anonymous mappings.
/// So what is joined to an object's mapping without a gap is the heap, up to what is known to be another's.
/// </para>
/// </summary>
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

    /// <summary>The thread's stacks are known from the next <see cref="Read"/> on.</summary>
    public void Add(LinuxThread thread, string name) => _threads.Insert(0, (thread, name));

    /// <summary>Looks at the address space again.</summary>
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

    /// <summary>The kind and name of the mapping that an address lies in; false where there was none when it was looked at.</summary>
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
            if (Overlap(mapping, thread.Stack, thread.StackBytes) || Overlap(mapping, thread.SignalStack, thread.SignalStackBytes))
                return (FaultKinds.ThreadStack, name);
        }

        return mapping.Path is not null ? OfPath(mapping.Path)
            : mapping.IsExecutable ? (FaultKinds.JitCode, "compiled methods")
            : IsMallocArena(mapping) ? (FaultKinds.MallocHeap, "an arena of the C library")
            : index != 0 && all[index - 1].End == mapping.Start && mapping.IsWritable && _owners[index - 1].Kind is FaultKinds.Library or FaultKinds.Program ? _owners[index - 1]
            : (FaultKinds.Anonymous, null);
    }

    private static bool Overlap(ProcessMapping mapping, nuint start, nuint bytes) =>
        bytes != 0 && mapping.IsWritable && mapping.Start < start + bytes && start < mapping.End;

    /// <summary>
    /// glibc's arenas for threads: they begin at multiples of 64 MiB, with the address of their state, which lies right behind the
    /// beginning of their first part. It is read through a file, since the mapping may be gone by now.
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
            string kind = path switch
            {
                "[heap]" => FaultKinds.MallocHeap,
                "[stack]" => FaultKinds.ThreadStack,
                _ when path[0] == '[' => FaultKinds.Other,
                _ when file.StartsWith("memfd:doublemapper", StringComparison.Ordinal) => FaultKinds.JitCode,
                _ when path.StartsWith("/memfd:", StringComparison.Ordinal) || path.StartsWith("/dev/", StringComparison.Ordinal) => FaultKinds.Other,
                _ when file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) => FaultKinds.Assembly,
                _ when file.EndsWith(".so", StringComparison.Ordinal) || file.Contains(".so.", StringComparison.Ordinal) => FaultKinds.Library,
                _ => file == _program ? FaultKinds.Program : FaultKinds.File,
            };
            known = (kind, kind == FaultKinds.JitCode ? "compiled methods" : path == "[heap]" ? "the C library's main heap" : path == "[stack]" ? "the first thread" : file);
            _files.Add(path, known);
        }

        return known;
    }
}
