// What the threads do between two meetings.
using System.Runtime.InteropServices;

namespace Samples.GameReplay.Scripts;

/// <summary>
/// What all threads do between two meetings: a list for each. One script is filled again for every step, so playing a
/// trace of any length takes the memory of its longest step.
/// </summary>
internal sealed class StepScript
{
    private readonly List<OperationList> _lists = [];
    private readonly List<int> _capacities;

    /// <summary>
    /// Makes a script whose lists have room from the start for these numbers of operations, by thread.
    /// </summary>
    public StepScript(IEnumerable<int>? capacities = null)
    {
        _capacities = capacities is null ? [] : [.. capacities];
        if (_capacities.Count > 0)
            Operations(_capacities.Count - 1);
    }

    /// <summary>Which part of the run this step is.</summary>
    public StepKind Kind { get; set; }

    /// <summary>How many threads have appeared so far.</summary>
    public int ThreadCount => _lists.Count;

    public OperationList Operations(int thread)
    {
        while (_lists.Count <= thread)
            _lists.Add(new OperationList(_lists.Count < _capacities.Count ? _capacities[_lists.Count] : 0));

        return _lists[thread];
    }

    public void Clear()
    {
        foreach (OperationList list in _lists)
            list.Clear();
    }
}

/// <summary>Which part of the game's run a step belongs to.</summary>
internal enum StepKind
{
    /// <summary>Before the first frame was presented: replayed, not measured.</summary>
    Loading,

    /// <summary>All that happened between two presented frames.</summary>
    Frame,

    /// <summary>After the last frame was presented: replayed, not measured.</summary>
    Unloading,
}

/// <summary>
/// What one thread does in one step. The memory is pinned, so that the player reads it by pointer, and is written
/// before the step begins, so reading it faults in nothing.
/// </summary>
internal sealed unsafe class OperationList
{
    private Operation[] _operations;
    private Operation* _first;

    /// <summary>Makes a list for that many operations; it grows when they do not suffice.</summary>
    public OperationList(int capacity)
    {
        _operations = [];
        Grow(Math.Max(capacity, 16));
    }

    public int Count { get; private set; }
    public Operation* First => _first;

    /// <summary>Adds an operation and gives a reference by which it can be filled.</summary>
    public ref Operation Add()
    {
        if (Count == _operations.Length)
            Grow(_operations.Length * 2);

        ref Operation operation = ref _operations[Count++];
        operation = default;
        return ref operation;
    }

    public ref Operation At(int index) => ref _operations[index];

    /// <summary>Empties the list and keeps its memory.</summary>
    public void Clear() => Count = 0;

    private void Grow(int capacity)
    {
        Operation[] grown = GC.AllocateArray<Operation>(capacity, pinned: true);
        _operations.CopyTo(grown, 0);

        // Fresh zeroed memory may be no memory yet; writing makes it so now.
        grown.AsSpan(_operations.Length).Clear();
        _operations = grown;
        _first = (Operation*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref grown[0]);
    }
}

/// <summary>
/// One thing to do for a player thread, 32 bytes:
/// <code>
///   0      4    5         6         7   8        16          24     28
///   | slot | kind | publishes | align |   | bytes | old bytes | tag  | other thread |
/// </code>
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Operation
{
    /// <summary>Where the block's address is kept.</summary>
    public uint Slot;

    public OperationKind Kind;

    /// <summary>Whether another thread waits for this operation, so that its completion must be made known.</summary>
    public bool Publishes;

    /// <summary>
    /// The logarithm to the base 2 of the alignment the block was allocated with, 0 when none was asked for.
    /// </summary>
    public byte AlignmentShift;

    /// <summary>
    /// The size: asked for, of a Free the one the block has, of a Wait how many operations the other must have done.
    /// </summary>
    public ulong Bytes;

    /// <summary>Of a Resize, the size before it.</summary>
    public ulong OldBytes;

    /// <summary>From the block's number: what its bytes are made of.</summary>
    public uint Tag;

    /// <summary>Of a Wait, the thread waited for.</summary>
    public int OtherThread;
}

/// <summary>What a player thread does.</summary>
internal enum OperationKind : byte
{
    Allocate,
    AllocateAligned,
    AllocateZeroed,
    Free,
    Resize,

    /// <summary>Goes on only when another thread has come as far as this one's next block demands.</summary>
    Wait,
}
