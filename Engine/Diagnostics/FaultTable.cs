namespace SuperSlab.Diagnostics;

/// <summary>Makes the tables of faults by owner and by frame. Cold.</summary>
internal sealed class FaultTable(IReadOnlyList<ObservedThread> threads, FaultTotals totals, FrameTimes frames, CallSites callSites)
{
    public ProfileFaults Make()
    {
        List<ProfileFaultOwner> owners = [];
        for (int number = 0; number < totals.Count; number++)
        {
            FaultOwner owner = totals.OwnerAt(number);
            owners.Add(new ProfileFaultOwner(owner.Kind, owner.Describe(), totals.CountAt(number), callSites.Describe(totals.FirstAt(number))));
        }

        AddUnrecorded(owners);
        owners.Sort(static (left, right) => right.Count.CompareTo(left.Count));
        List<ProfileFrameFaults> byFrame = [];
        foreach (((long frame, int number), long count) in totals.ByFrame(frames))
        {
            FaultOwner owner = totals.OwnerAt(number);
            byFrame.Add(new ProfileFrameFaults(frame, owner.Kind, owner.Describe(), count));
        }

        return new ProfileFaults { Unavailable = Unavailable(), KernelCount = Sum(static thread => thread.KernelCount), Owners = owners, Frames = byFrame };
    }

    /// <summary>What was counted and not recorded one by one.</summary>
    private void AddUnrecorded(List<ProfileFaultOwner> owners)
    {
        foreach (ObservedThread thread in threads)
        {
            if (thread.Unavailable.Length != 0)
            {
                Add(FaultKinds.Thread, thread.Name, thread.KernelCount);
                continue;
            }

            string what = thread.SeesKernel
                ? "pages that a call of the thread asked for, such as a populating one"
                : "pages that a call of the thread asked for, or that the kernel touched in it";
            Add(FaultKinds.Populated, what, Math.Max(0, thread.KernelCount - thread.RecordedCount));
            Add(FaultKinds.Lost, "faults that found no room in the ring", thread.LostCount);
        }

        void Add(string kind, string name, long count)
        {
            int at = owners.FindIndex(owner => owner.Kind == kind && owner.Name == name);
            if (at >= 0)
                owners[at] = owners[at] with { Count = owners[at].Count + count };
            else if (count != 0 || kind == FaultKinds.Thread)
                owners.Add(new ProfileFaultOwner(kind, name, count, ""));
        }
    }

    /// <summary>Why faults are only counted, where that is so for every thread; for one of several its row says so.</summary>
    private string Unavailable()
    {
        string reason = threads.Count == 0 ? "no thread was observed" : threads[0].Unavailable;
        foreach (ObservedThread thread in threads)
            reason = thread.Unavailable.Length == 0 ? "" : reason;

        return reason;
    }

    private long Sum(Func<ObservedThread, long> figure)
    {
        long sum = 0;
        foreach (ObservedThread thread in threads)
            sum += figure(thread);

        return sum;
    }
}

/// <summary>
/// Counts faults by owner, keeps the first of each, and remembers of the last ones when they were. Its memory is written through when it is
/// made, so that the process does not grow by being observed. One thread at a time.
/// </summary>
internal sealed class FaultTotals(int keptFaults)
{
    private const int Owners = 1024;

    private readonly Dictionary<FaultOwner, int> _numbers = new(Owners);
    private readonly List<FaultOwner> _owners = new(Owners);
    private readonly List<long> _counts = new(Owners);
    private readonly List<FaultSample> _firsts = new(Owners);
    private readonly long[] _times = Resident<long>(keptFaults);
    private readonly int[] _keptOwners = Resident<int>(keptFaults);
    private long _kept;

    public int Count => _owners.Count;

    public void Add(in FaultOwner owner, in FaultSample sample)
    {
        if (!_numbers.TryGetValue(owner, out int number))
        {
            number = _owners.Count;
            _numbers.Add(owner, number);
            _owners.Add(owner);
            _counts.Add(0);
            _firsts.Add(sample);
        }

        _counts[number]++;
        long place = _kept++ % _times.Length;
        _times[place] = sample.Time;
        _keptOwners[place] = number;
    }

    private static T[] Resident<T>(int length)
    {
        T[] array = new T[length];
        array.AsSpan().Clear();
        return array;
    }

    public FaultOwner OwnerAt(int number) => _owners[number];

    public long CountAt(int number) => _counts[number];

    public FaultSample FirstAt(int number) => _firsts[number];

    /// <summary>The faults that lie in frames, by frame and owner, of those that are still remembered.</summary>
    public SortedDictionary<(long Frame, int Owner), long> ByFrame(FrameTimes frames)
    {
        SortedDictionary<(long Frame, int Owner), long> counts = [];
        long count = Math.Min(_kept, _times.Length);
        for (long place = 0; place < count; place++)
        {
            long frame = frames.Find(_times[place]);
            if (frame >= 0)
            {
                (long, int) key = (frame, _keptOwners[place]);
                counts[key] = counts.GetValueOrDefault(key) + 1;
            }
        }

        return counts;
    }
}

/// <summary>The kinds of owners in a table of page faults, as <see cref="ProfileFaultOwner.Kind"/> has them.</summary>
public static class FaultKinds
{
    /// <summary>Memory of an arena's blocks.</summary>
    public const string Payload = "SuperSlab payload";

    /// <summary>Memory of a frame arena.</summary>
    public const string FrameLane = "frame lane";

    /// <summary>A thread's cache of an arena, or a magazine in it.</summary>
    public const string ThreadCache = "thread cache";

    /// <summary>The allocator's tables and its heap.</summary>
    public const string Metadata = "allocator metadata";

    /// <summary>SuperSlabs that no arena owns at that moment.</summary>
    public const string Unowned = "unowned SuperSlab";

    /// <summary>The garbage collector's heap.</summary>
    public const string GcHeap = "GC heap";

    /// <summary>Compiled methods and what the runtime keeps beside them.</summary>
    public const string JitCode = "JIT code";

    /// <summary>A thread's stack, with its thread-local data, or the stack of its signal handlers.</summary>
    public const string ThreadStack = "thread stack";

    /// <summary>Code and data of a native library.</summary>
    public const string Library = "native library";

    /// <summary>Code and data of the program itself.</summary>
    public const string Program = "program";

    /// <summary>Code and data of a managed assembly's file.</summary>
    public const string Assembly = "assembly";

    /// <summary>Another mapped file.</summary>
    public const string File = "file";

    /// <summary>The C library's heap.</summary>
    public const string MallocHeap = "malloc heap";

    /// <summary>Memory of which the kernel knows no name; who touched it is said instead.</summary>
    public const string Anonymous = "anonymous memory";

    /// <summary>What else the kernel has a name for.</summary>
    public const string Other = "other mapping";

    /// <summary>A mapping that came and was gone again between two looks at the address space.</summary>
    public const string Vanished = "short-lived mapping";

    /// <summary>Pages that the kernel put there without a fault, because a call asked for it, such as a populating one of the engine.</summary>
    public const string Populated = "populated on request";

    /// <summary>Faults that were counted and found no room in the ring.</summary>
    public const string Lost = "lost";

    /// <summary>Faults of a thread that are only counted.</summary>
    public const string Thread = "thread";

    internal static string Of(AddressOwner.Use part) => part switch
    {
        AddressOwner.Use.Block or AddressOwner.Use.Extent or AddressOwner.Use.FreeSlab => Payload,
        AddressOwner.Use.Lane or AddressOwner.Use.SpareLaneMemory => FrameLane,
        AddressOwner.Use.Cache or AddressOwner.Use.Magazine => ThreadCache,
        AddressOwner.Use.Unowned => Unowned,
        _ => Metadata,
    };
}

/// <summary>Whose memory a page fault was in. Equal owners are equal values, so that counting them needs no text.</summary>
/// <param name="Kind">One of the kinds of <see cref="FaultKinds"/>.</param>
/// <param name="Name">A thread's, a file's or a mapping's name; null in the engine's memory.</param>
/// <param name="Part">Which part of the engine's memory.</param>
/// <param name="Toucher">Whose code touched it, where the memory itself has no name.</param>
/// <param name="IsByKernel">Whether the kernel touched it, in a system call.</param>
internal readonly record struct FaultOwner(string Kind, string? Name, AddressOwner? Part = null, string? Toucher = null, bool IsByKernel = false)
{
    /// <summary>The name as reports show it.</summary>
    public string Describe()
    {
        string arena = Part?.Arena is { } owner ? $"arena '{owner.Name}', " : "";
        string toucher = Toucher is null ? "" : $", touched by {Toucher}";
        return $"{arena}{Part?.Describe() ?? Name}{toucher}{(IsByKernel ? ", touched by the kernel in a system call" : "")}";
    }
}
