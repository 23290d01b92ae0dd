namespace Samples.GameReplay.Scripts;

/// <summary>
/// What one thread does in one step. The memory is pinned, so that the player reads it by pointer, and is written before the
/// step begins, so reading it faults in nothing.
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

    /// <summary>How many operations there are.</summary>
    public int Count { get; private set; }

    /// <summary>The first of them.</summary>
    public Operation* First => _first;

    /// <summary>Adds an operation and gives a reference by which it can be filled.</summary>
    public ref Operation Add()
    {
        if (Count == _operations.Length)
        {
            Grow(_operations.Length * 2);
        }

        ref Operation operation = ref _operations[Count++];
        operation = default;
        return ref operation;
    }

    /// <summary>The operation with that number.</summary>
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
