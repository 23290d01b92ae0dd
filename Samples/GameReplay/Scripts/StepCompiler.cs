// Makes steps of a trace.
using Samples.GameReplay.Tracing;

namespace Samples.GameReplay.Scripts;

/// <summary>
/// Turns a trace into steps: what each thread does until all threads meet again.
///
/// A frame is a step, whatever its length. Loading and unloading have no frames, and are cut into steps of a fixed
/// number of records. Within a step a thread keeps its own order, and the threads are free against each other, except
/// where a block's life demands an order: when a thread frees or resizes a block that another one made or resized in
/// the same step, a Wait is put before it, and the other's operation is marked to make itself known. A wait looks only
/// backwards in the trace, so the waits cannot form a circle.
/// </summary>
internal sealed class StepCompiler(TraceReader reader, IRecordObserver? observer = null)
{
    /// <summary>The length of a step outside the frames, in records.</summary>
    public const int LoadingStepRecords = 32 * 1024;

    private LastUse[] _lastUses = new LastUse[1024];

    // [thread * MaxThreads + other]: up to which operation of the other one this thread has waited, and in which step.
    private readonly Dictionary<int, LastUse> _waited = [];
    private long _step;
    private bool _atEnd;

    public long Steps => _step;

    /// <summary>Makes the tables as large as they will get, so that compiling a step allocates nothing.</summary>
    public void Reserve(int slots)
    {
        if (_lastUses.Length < slots)
        {
            // Written, so that it is resident before anything is measured.
            int used = _lastUses.Length;
            Array.Resize(ref _lastUses, slots);
            _lastUses.AsSpan(used).Clear();
        }
    }

    /// <summary>Fills the script with the next step.</summary>
    /// <returns>False when the trace is over.</returns>
    /// <exception cref="TraceFormatException">The trace breaks a rule of its format.</exception>
    public bool TryCompile(StepScript script)
    {
        script.Clear();
        if (_atEnd)
            return false;

        _step++;
        script.Kind = reader.FramesRead == 0 ? StepKind.Loading
            : reader.FramesRead < reader.Header.Frames ? StepKind.Frame
            : StepKind.Unloading;
        int records = 0;
        while (script.Kind == StepKind.Frame || records < LoadingStepRecords)
        {
            if (!reader.TryRead(out TraceRecord record))
            {
                _atEnd = true;
                break;
            }

            records++;
            if (record.Kind == RecordKind.Frame)
                break;

            if (record.Kind != RecordKind.Thread)
            {
                Compile(script, in record);
                observer?.Observe(in record);
            }
        }

        reader.Blocks.RecycleSlots();
        observer?.EndStep(script);
        return records > 0;
    }

    private void Compile(StepScript script, in TraceRecord record)
    {
        OperationList list = script.Operations(record.Thread);
        if (record.Kind is RecordKind.Free or RecordKind.Realloc)
            KeepOrder(script, list, in record);

        ref Operation operation = ref list.Add();
        operation.Kind = Kind(record.Kind);
        operation.Slot = (uint)record.Slot;
        operation.AlignmentShift = record.AlignmentShift;
        operation.Bytes = record.Bytes;
        operation.OldBytes = record.OldBytes;
        operation.Tag = (uint)record.BlockId;
        if (record.Slot >= _lastUses.Length)
            Reserve(_lastUses.Length * 2);

        _lastUses[record.Slot] = new LastUse { Step = _step, Thread = record.Thread, Operation = list.Count - 1 };
    }

    private void KeepOrder(StepScript script, OperationList list, in TraceRecord record)
    {
        LastUse last = _lastUses[record.Slot];
        if (last.Step != _step || last.Thread == record.Thread)
            return;

        int pair = record.Thread * TraceFormat.MaxThreads + last.Thread;
        if (_waited.TryGetValue(pair, out LastUse waited) && waited.Step == _step && waited.Operation >= last.Operation)
            return;

        _waited[pair] = last;
        script.Operations(last.Thread).At(last.Operation).Publishes = true;
        ref Operation wait = ref list.Add();
        wait.Kind = OperationKind.Wait;
        wait.OtherThread = last.Thread;
        wait.Bytes = (ulong)last.Operation + 1;
    }

    private static OperationKind Kind(RecordKind kind) => kind switch
    {
        RecordKind.Alloc => OperationKind.Allocate,
        RecordKind.AllocAligned => OperationKind.AllocateAligned,
        RecordKind.AllocZeroed => OperationKind.AllocateZeroed,
        RecordKind.Free => OperationKind.Free,
        _ => OperationKind.Resize,
    };
}

/// <summary>Sees the records of a trace, in its order, while they are made into steps.</summary>
internal interface IRecordObserver
{
    /// <summary>A record that makes, resizes or frees a block.</summary>
    void Observe(in TraceRecord record);

    /// <summary>The threads meet here.</summary>
    void EndStep(StepScript script);
}

/// <summary>Who made or resized a block last, and as which operation of which step.</summary>
internal struct LastUse
{
    public long Step;
    public int Thread;
    public int Operation;
}
