using Engine.Platform;

namespace Engine.Profiling;

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
