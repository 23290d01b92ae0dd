// The first pass over a trace.
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Tracing;
using SuperSlab;

namespace Samples.GameReplay.Learning;

/// <summary>
/// The first pass: reads the whole trace, which checks it, and learns what a replay of it needs.
///
/// The peak of live blocks must hold for every order in which the threads may run between two meetings, not just for
/// the order of the recording. At any moment of a step each thread has done some prefix of its own operations, so the
/// live blocks are those at the meeting before plus each thread's sum over its prefix; and that is at most the live
/// blocks at the meeting plus the sum over the threads of each one's largest prefix sum.
/// </summary>
internal sealed class TraceLearner : IRecordObserver
{
    private readonly BlockSizes _sizes = new();
    private readonly List<Tally[]> _tallies = [];
    private readonly List<(int Thread, int Size)> _touched = [];
    private readonly List<int> _capacities = [];
    private long[] _live = [];
    private long[] _peaks = [];
    private long[] _stepPrefixes = [];
    private ulong _liveBytes;
    private ulong _peakLiveBytes;
    private long _peakSlabBytes;
    private long _stepAllocations;
    private long _frameAllocations;
    private long _frames;

    /// <summary>Reads the trace to its end.</summary>
    /// <exception cref="TraceFormatException">The trace breaks a rule of its format.</exception>
    public static TraceProfile Learn(Stream packed, string name)
    {
        using var reader = new TraceReader(packed, name);
        var learner = new TraceLearner();
        var compiler = new StepCompiler(reader, learner);
        var script = new StepScript();
        while (compiler.TryCompile(script))
        {
        }

        return learner.Profile(reader);
    }

    public void Observe(in TraceRecord record)
    {
        int size = _sizes.NumberOf(record.Bytes, record.AlignmentShift);
        switch (record.Kind)
        {
            case RecordKind.Free:
                _liveBytes -= record.Bytes;
                CountFree(record.Thread, size);
                break;
            case RecordKind.Realloc:
                _liveBytes += record.Bytes - record.OldBytes;
                CountResize(in record, size);
                break;
            default:
                _stepAllocations++;
                _liveBytes += record.Bytes;
                CountAllocation(record.Thread, size);
                break;
        }

        _peakLiveBytes = Math.Max(_peakLiveBytes, _liveBytes);
    }

    public void EndStep(StepScript script)
    {
        GrowTo(_sizes.Count);
        foreach ((int thread, int size) in _touched)
            _stepPrefixes[size] += _tallies[thread][size].StepPrefix;

        foreach ((_, int size) in _touched)
            _peaks[size] = Math.Max(_peaks[size], _live[size] + _stepPrefixes[size]);

        NoteSlabs();
        foreach ((int thread, int size) in _touched)
        {
            _stepPrefixes[size] = 0;
            ref Tally tally = ref _tallies[thread][size];
            _live[size] += tally.StepNet;
            tally = new Tally { Allocations = tally.Allocations, Frees = tally.Frees };
        }

        _touched.Clear();
        CountStep(script);
    }

    /// <summary>Notes the slabs of 64 KiB that all sizes need in this step, each size's last one in part.</summary>
    private void NoteSlabs()
    {
        const long SlabBytes = 64 << 10;
        long slabs = 0;
        for (int size = 0; size < _sizes.Count; size++)
            slabs += (((_live[size] + _stepPrefixes[size]) * (long)_sizes.BytesOf(size)) + SlabBytes - 1) / SlabBytes;

        _peakSlabBytes = Math.Max(_peakSlabBytes, slabs * SlabBytes);
    }

    private void CountStep(StepScript script)
    {
        for (int thread = 0; thread < script.ThreadCount; thread++)
        {
            if (_capacities.Count == thread)
                _capacities.Add(0);

            _capacities[thread] = Math.Max(_capacities[thread], script.Operations(thread).Count);
        }

        if (script.Kind == StepKind.Frame)
        {
            _frames++;
            _frameAllocations += _stepAllocations;
        }

        _stepAllocations = 0;
    }

    private void CountAllocation(int thread, int size)
    {
        ref Tally tally = ref TallyOf(thread, size);
        tally.Allocations++;
        tally.StepPrefix = Math.Max(tally.StepPrefix, ++tally.StepNet);
    }

    private void CountFree(int thread, int size)
    {
        ref Tally tally = ref TallyOf(thread, size);
        tally.Frees++;
        tally.StepNet--;
    }

    private void CountResize(in TraceRecord record, int size)
    {
        int oldSize = _sizes.NumberOf(record.OldBytes, record.AlignmentShift);
        if (oldSize != size)
        {
            // The new block is there before the old one goes.
            CountAllocation(record.Thread, size);
            CountFree(record.Thread, oldSize);
        }
    }

    private ref Tally TallyOf(int thread, int size)
    {
        while (_tallies.Count <= thread)
            _tallies.Add(new Tally[_sizes.Count]);

        if (size >= _tallies[thread].Length)
        {
            Tally[] grown = _tallies[thread];
            Array.Resize(ref grown, Math.Max(size + 1, grown.Length + 64));
            _tallies[thread] = grown;
        }

        ref Tally tally = ref _tallies[thread][size];
        if (!tally.IsTouched)
        {
            tally.IsTouched = true;
            _touched.Add((thread, size));
        }

        return ref tally;
    }

    private void GrowTo(int sizes)
    {
        if (sizes > _live.Length)
        {
            Array.Resize(ref _live, sizes);
            Array.Resize(ref _peaks, sizes);
            Array.Resize(ref _stepPrefixes, sizes);
        }
    }

    private TraceProfile Profile(TraceReader reader)
    {
        List<BlockPeak> peaks = [];
        for (int size = 0; size < _peaks.Length; size++)
        {
            if (_peaks[size] > 0)
                peaks.Add(new BlockPeak((long)_sizes.BytesOf(size), _peaks[size]));
        }

        return new TraceProfile
        {
            Threads = reader.ThreadsSeen,
            Slots = reader.Blocks.SlotCount,
            Frames = checked((int)_frames),
            Allocations = (long)reader.BlocksRead,
            FrameAllocations = _frameAllocations,
            PeakLiveBytes = (long)_peakLiveBytes,
            PeakSlabBytes = _peakSlabBytes,
            OperationCapacities = [.. _capacities],
            Peaks = [.. peaks],
            Uses = [.. Uses()],
        };
    }

    private IEnumerable<ThreadUse> Uses()
    {
        for (int thread = 0; thread < _tallies.Count; thread++)
        {
            for (int size = 0; size < _tallies[thread].Length; size++)
            {
                Tally tally = _tallies[thread][size];
                if (tally.Allocations + tally.Frees > 0)
                    yield return new ThreadUse(thread, (long)_sizes.BytesOf(size), tally.Allocations, tally.Frees);
            }
        }
    }
}

/// <summary>Gives each block size of the engine a small number, in the order in which a trace asks for them.</summary>
internal sealed class BlockSizes
{
    private readonly Dictionary<nuint, int> _numbers = [];
    private readonly List<ulong> _bytes = [];

    /// <summary>How many numbers there are so far.</summary>
    public int Count => _bytes.Count;

    /// <summary>The number of the block size that serves such a request.</summary>
    public int NumberOf(ulong bytes, byte alignmentShift)
    {
        nuint alignment = nuint.Min((nuint)1 << alignmentShift, LongLivedArena.MaximumAlignment);
        nuint block = LongLivedArena.BlockBytes((nuint)bytes, alignment);
        if (!_numbers.TryGetValue(block, out int number))
        {
            number = Count;
            _numbers.Add(block, number);
            _bytes.Add(block);
        }

        return number;
    }

    /// <summary>The block size with that number, in bytes.</summary>
    public ulong BytesOf(int number) => _bytes[number];
}

/// <summary>
/// One thread's count for one block size. The step's figures are set to 0 at each meeting; "prefix" is the largest sum
/// that the thread's own order reaches within the step, counted from its beginning.
/// </summary>
internal struct Tally
{
    public long Allocations;
    public long Frees;

    /// <summary>In this step: blocks made less blocks freed by the thread, and its prefix.</summary>
    public long StepNet;
    public long StepPrefix;

    /// <summary>Whether anything was counted in this step.</summary>
    public bool IsTouched;
}
