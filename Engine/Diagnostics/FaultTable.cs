using System.Diagnostics;

namespace SuperSlab.Diagnostics;

/// <summary>Makes the tables of faults by owner and by frame. Cold.</summary>
internal sealed class FaultTable(
    IReadOnlyList<ObservedThread> threads, FaultTotals totals, FrameTimes frames, CallSites callSites)
{
    public ProfileFaults Make()
    {
        List<ProfileFaults.Owner> owners = [];
        for (int number = 0; number < totals.Count; number++)
        {
            FaultOwner owner = totals.OwnerAt(number);
            string callSite = callSites.Describe(totals.FirstAt(number));
            owners.Add(new ProfileFaults.Owner(owner.Kind, owner.Describe(), totals.CountAt(number), callSite));
        }

        AddUnrecorded(owners);
        owners.Sort(static (left, right) => right.Count.CompareTo(left.Count));
        return new ProfileFaults
        {
            Unavailable = Unavailable(),
            KernelCount = threads.Sum(static thread => thread.KernelCount),
            LostCount = threads.Sum(static thread => thread.Unavailable.Length == 0 ? thread.LostCount : 0),
            Owners = owners,
            Frames = [.. totals.ByFrame(frames).Select(InFrame)],
        };
    }

    private ProfileFaults.OwnerInFrame InFrame(KeyValuePair<(long Frame, int Owner), long> count)
    {
        FaultOwner owner = totals.OwnerAt(count.Key.Owner);
        return new ProfileFaults.OwnerInFrame(count.Key.Frame, owner.Kind, owner.Describe(), count.Value);
    }

    /// <summary>Faults that were counted but not recorded one by one.</summary>
    private void AddUnrecorded(List<ProfileFaults.Owner> owners)
    {
        foreach (ObservedThread thread in threads)
        {
            if (thread.Unavailable.Length != 0)
            {
                Add(FaultKinds.Thread, $"{thread.Name}, only counted: {thread.Unavailable}", thread.KernelCount);
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
                owners.Add(new ProfileFaults.Owner(kind, name, count, ""));
        }
    }

    /// <summary>Why no thread's faults have owners; a single thread without them has a row with the reason.</summary>
    private string Unavailable() => threads.Count == 0 ? "no thread was observed"
        : threads.Any(static thread => thread.Unavailable.Length == 0) ? ""
        : threads[0].Unavailable;
}

/// <summary>
/// Counts faults by owner, keeps the first of each, and the times of the last. Its memory is resident from the start:
/// the process does not grow while it is observed. One thread at a time.
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

        Debug.Assert(_owners[number] == owner, "A number names one owner.");
        _counts[number]++;
        long place = _kept++ % _times.Length;
        _times[place] = sample.Time;
        _keptOwners[place] = number;
    }

    public FaultOwner OwnerAt(int number) => _owners[number];

    public long CountAt(int number) => _counts[number];

    public FaultSample FirstAt(int number) => _firsts[number];

    /// <summary>The remembered faults that lie in frames, by frame and owner.</summary>
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

    private static T[] Resident<T>(int length)
    {
        T[] array = new T[length];
        array.AsSpan().Clear();
        return array;
    }
}

/// <summary>When the last frames began and ended. One thread writes; none reads meanwhile.</summary>
internal sealed class FrameTimes
{
    private readonly Frame[] _frames;
    private long _count;

    // The count modulo the length, without a division at each frame's end.
    private int _next;
    private Frame _current;

    public FrameTimes(int capacity)
    {
        // Written once, so that no frame is the first to touch the memory.
        _frames = new Frame[capacity];
        Array.Fill(_frames, new Frame(-1, 1, 1));
    }

    public void Begin(long number, long now) => _current = new Frame(number, now, long.MaxValue);

    public void End(long now)
    {
        Debug.Assert(_current.Begin <= now, "A frame ends after its begin.");
        _current = _current with { End = now };
        _frames[_next] = _current;
        _next = _next + 1 == _frames.Length ? 0 : _next + 1;
        _count++;
    }

    public void Clear() => (_count, _next) = (0, 0);

    /// <summary>The number of the frame that a time lies in; -1 for none that is known.</summary>
    public long Find(long time)
    {
        long low = Math.Max(0, _count - _frames.Length);
        long high = _count - 1;
        while (low <= high)
        {
            long middle = (low + high) >>> 1;
            Frame frame = _frames[middle % _frames.Length];
            if (time < frame.Begin)
                high = middle - 1;
            else if (time > frame.End)
                low = middle + 1;
            else
                return frame.Number;
        }

        return -1;
    }

    private readonly record struct Frame(long Number, long Begin, long End);
}

/// <summary>
/// The kinds of owners in a table of page faults, as in <see cref="ProfileFaults.Owner.Kind"/>, besides those of
/// <see cref="MappingKinds"/>.
/// </summary>
internal static class FaultKinds
{
    // Memory of the engine. Payload is arenas' blocks; unowned SuperSlabs have no arena when they are looked up.
    public const string Payload = "SuperSlab payload";
    public const string FrameLane = "frame lane";
    public const string ThreadCache = "thread cache";
    public const string Metadata = "allocator metadata";
    public const string Unowned = "unowned SuperSlab";

    // Counts without addresses: pages that a call asked for, faults without room in the ring, threads that only count.
    public const string Populated = "populated on request";
    public const string Lost = "lost";
    public const string Thread = "thread";

    public static string Of(AddressOwner.Use part) => part switch
    {
        AddressOwner.Use.Block or AddressOwner.Use.Extent or AddressOwner.Use.FreeSlab => Payload,
        AddressOwner.Use.Lane or AddressOwner.Use.SpareLaneMemory => FrameLane,
        AddressOwner.Use.Cache or AddressOwner.Use.Magazine => ThreadCache,
        AddressOwner.Use.Unowned => Unowned,
        _ => Metadata,
    };
}

/// <summary>The owner of a page fault. Equal owners are equal values, so that counting needs no text.</summary>
/// <param name="Kind">One of <see cref="FaultKinds"/> or <see cref="MappingKinds"/>.</param>
/// <param name="Name">A thread's, file's or mapping's name; null in the engine's memory.</param>
/// <param name="Part">The part of the engine's memory.</param>
/// <param name="Toucher">The code that touched it, where the memory has no name.</param>
/// <param name="IsByKernel">Whether the kernel touched it, in a system call.</param>
/// <param name="Moves">
/// Where the page was ready, so that the kernel had moved it or taken it back: its counters that rose meanwhile.
/// </param>
internal readonly record struct FaultOwner(
    string Kind, string? Name, AddressOwner? Part = null, string? Toucher = null, bool IsByKernel = false,
    string? Moves = null)
{
    /// <summary>The name for reports.</summary>
    public string Describe()
    {
        string arena = Part?.Arena is { } owner ? $"arena '{owner.Name}', " : "";
        string toucher = Toucher is null ? "" : $", touched by {Toucher}";
        string kernel = IsByKernel ? ", touched by the kernel in a system call" : "";
        string moved = Moves switch
        {
            null => "",
            "" => ", moved by the kernel",
            _ => $", moved by the kernel ({Moves})",
        };
        return $"{arena}{Part?.Describe() ?? Name}{toucher}{kernel}{moved}";
    }
}
