using System.Collections;
using SuperSlab.Collections;
using static Engine.Tests.Collections.DifferenceException;

namespace Engine.Tests.Collections;

/// <summary>A queue beside <see cref="Queue{T}"/>.</summary>
internal sealed class QueueTwins(ArenaRef arena) : ITwins
{
    private readonly Queue<int> _theirs = [];
    private NativeQueue<int> _ours = new(arena);

    public void Do(Step step)
    {
        switch (step.Kind)
        {
            case < 55:
                _ours.Enqueue(step.First);
                _theirs.Enqueue(step.First);
                break;
            case < 75 when _theirs.Count != 0:
                ThrowUnlessSame(_ours.Dequeue(), _theirs.Dequeue(), "dequeued");
                break;
            case < 95:
                bool had = _ours.TryDequeue(out int item);
                ThrowUnlessSame((had, item), (_theirs.TryDequeue(out int same), same), "dequeued");
                break;
            case < 98:
                _ours.EnsureCapacity(step.First % 100);
                break;
            case 99 when step.First % 4 == 0:
                _ours.Clear();
                _theirs.Clear();
                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame(_ours.Count, _theirs.Count, "count");
        int index = 0;
        foreach (int item in _theirs)
            ThrowUnlessSame(_ours[index++], item, "element");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A ring beside a list that loses its first.</summary>
internal sealed class RingTwins(ArenaRef arena) : ITwins
{
    private const int Capacity = 13;

    private readonly List<int> _theirs = [];
    private NativeRing<int> _ours = new(arena, Capacity);

    public void Do(Step step)
    {
        switch (step.Kind)
        {
            case < 40:
                _ours.Push(step.First);
                _theirs.Add(step.First);
                if (_theirs.Count > Capacity)
                    _theirs.RemoveAt(0);

                break;
            case < 60:
                bool hasRoom = _theirs.Count < Capacity;
                ThrowUnlessSame(_ours.TryPush(step.First), hasRoom, "pushed");
                if (hasRoom)
                    _theirs.Add(step.First);

                break;
            case 99:
                _ours.Clear();
                _theirs.Clear();
                break;
            default:
                bool has = _ours.TryPop(out int item);
                ThrowUnlessSame((has, item), (_theirs.Count != 0, _theirs.FirstOrDefault()), "popped");
                if (has)
                    _theirs.RemoveAt(0);

                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame(_ours.Count, _theirs.Count, "count");
        for (int index = 0; index < _theirs.Count; index++)
            ThrowUnlessSame(_ours[index], _theirs[index], "element");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A priority queue beside <see cref="PriorityQueue{TElement, TPriority}"/>, whose equal priorities leave in
/// another order.</summary>
internal sealed class PriorityQueueTwins(ArenaRef arena) : ITwins
{
    private readonly PriorityQueue<int, int> _theirs = new();
    private NativePriorityQueue<int, int> _ours = new(arena);

    public void Do(Step step)
    {
        int priority = step.Second % 1_000;
        switch (step.Kind)
        {
            case < 55:
                _ours.Enqueue(~priority, priority);
                _theirs.Enqueue(~priority, priority);
                break;
            case < 70:
                bool seen = _ours.TryPeek(out int first, out _);
                ThrowUnlessSame((seen, first), (_theirs.TryPeek(out int same, out _), same), "first");
                break;
            case 99:
                _ours.Clear();
                _theirs.Clear();
                break;
            default:
                bool had = _ours.TryDequeue(out int item, out int least);
                bool has = _theirs.TryDequeue(out int twin, out int smallest);
                ThrowUnlessSame((had, item, least), (has, twin, smallest), "dequeued");
                break;
        }
    }

    public void Compare() => ThrowUnlessSame(_ours.Count, _theirs.Count, "count");

    public void Dispose() => _ours.Dispose();
}

/// <summary>Bits beside <see cref="BitArray"/>.</summary>
internal sealed class BitTwins(ArenaRef arena) : ITwins
{
    private const int Length = 700;

    private readonly BitArray _theirs = new(Length);
    private NativeBitArray _ours = new(arena, Length);

    public void Do(Step step)
    {
        int index = step.First % Length;
        bool value = step.Second % 2 == 0;
        if (step.Kind < 30)
        {
            int count = step.Second % (Length - index + 1);
            _ours.SetRange(index, count, value);
            for (int bit = index; bit < index + count; bit++)
                _theirs[bit] = value;
        }
        else if (step.Kind < 70)
        {
            _ours[index] = value;
            _theirs[index] = value;
        }
        else
        {
            int expected = -1;
            for (int bit = index; bit < Length && expected < 0; bit++)
                expected = _theirs[bit] == value ? bit : -1;

            ThrowUnlessSame(_ours.FindFirst(value, index), expected, $"first {value} from {index}");
        }
    }

    public void Compare()
    {
        int set = 0;
        for (int bit = 0; bit < Length; bit++)
        {
            ThrowUnlessSame(_ours[bit], _theirs[bit], $"bit {bit}");
            set += _theirs[bit] ? 1 : 0;
        }

        ThrowUnlessSame(_ours.CountSet(), set, "set bits");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A sparse set beside a dictionary.</summary>
internal sealed class SparseSetTwins(ArenaRef arena) : ITwins
{
    private readonly Dictionary<int, long> _theirs = [];
    private NativeSparseSet<long> _ours = new(arena);

    public void Do(Step step)
    {
        int number = step.First % (step.First % 8 == 0 ? 3_000 : 100);
        switch (step.Kind)
        {
            case < 50:
                _ours.Set(number, step.Second);
                _theirs[number] = step.Second;
                break;
            case < 65:
                ThrowUnlessSame(_ours.Contains(number), _theirs.ContainsKey(number), "contained");
                break;
            case 99 when step.First % 4 == 0:
                _ours.Clear();
                _theirs.Clear();
                break;
            default:
                ThrowUnlessSame(_ours.Remove(number), _theirs.Remove(number), "removed");
                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame(_ours.Count, _theirs.Count, "count");
        foreach (ref var entry in _ours)
        {
            ThrowUnlessSame(entry.Value, _theirs[entry.Number], $"value of {entry.Number}");
            ThrowUnlessSame(_ours[entry.Number], entry.Value, $"value by {entry.Number}");
        }
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A slot map beside a dictionary of its keys; keys of removed values stay around.</summary>
internal sealed class SlotMapTwins(ArenaRef arena) : ITwins
{
    private readonly Dictionary<SlotKey, int> _theirs = [];
    private readonly List<SlotKey> _given = [default];
    private NativeSlotMap<int> _ours = new(arena);

    public void Do(Step step)
    {
        SlotKey key = _given[step.First % _given.Count];
        switch (step.Kind)
        {
            case < 45:
                SlotKey added = _ours.Add(step.Second);
                ThrowUnlessSame(_given.Contains(added), false, "a key given twice");
                _given.Add(added);
                _theirs.Add(added, step.Second);
                break;
            case < 65:
                bool has = _ours.TryGetValue(key, out int value);
                ThrowUnlessSame((has, value), (_theirs.TryGetValue(key, out int same), same), "looked up");
                ThrowUnlessSame(_ours.Contains(key), has, "contained");
                break;
            case 99 when step.First % 8 == 0:
                _ours.Clear();
                _theirs.Clear();
                break;
            default:
                ThrowUnlessSame(_ours.Remove(key), _theirs.Remove(key), "removed");
                break;
        }
    }

    public void Compare()
    {
        int walked = 0;
        for (uint from = 0; _ours.TryNext(ref from, out SlotKey key); walked++)
            ThrowUnlessSame(_ours[key], _theirs[key], $"value of {key}");

        ThrowUnlessSame((walked, _ours.Count), (_theirs.Count, _theirs.Count), "count");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A text beside <see cref="System.Text.StringBuilder"/>.</summary>
internal sealed class TextTwins(ArenaRef arena) : ITwins
{
    private readonly System.Text.StringBuilder _theirs = new();
    private NativeText _ours = new(arena);

    public void Do(Step step)
    {
        string name = step.First % 3 == 0 ? "Ünïcödé \U0001F600" : "plain";
        switch (step.Kind)
        {
            case < 40:
                _ours.Append($"{step.First}, {step.Second:X} and {name} of {step.Kind / 7.0:0.00}{true};");
                _theirs.Append(System.Globalization.CultureInfo.InvariantCulture,
                    $"{step.First}, {step.Second:X} and {name} of {step.Kind / 7.0:0.00}{true};");
                break;
            case < 60:
                _ours.Append(name);
                _theirs.Append(name);
                break;
            case < 80:
                _ours.Append(new Guid(step.First, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
                _theirs.Append(new Guid(step.First, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
                break;
            case < 90:
                _ours.AppendUtf8("utf"u8);
                _theirs.Append("utf");
                break;
            case > 96:
                _ours.Clear();
                _theirs.Clear();
                break;
        }
    }

    public unsafe void Compare()
    {
        ThrowUnlessSame(_ours.ToString(), _theirs.ToString(), "text");
        ThrowUnlessSame(
            System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)_ours.AsCString()), _theirs.ToString(),
            "C text");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A map of several values beside a dictionary of lists.</summary>
internal sealed class MultiMapTwins<TKey>(ArenaRef arena, Func<int, TKey> keyOf) : ITwins
    where TKey : unmanaged, IEquatable<TKey>
{
    private readonly Dictionary<TKey, List<int>> _theirs = [];
    private NativeMultiHashMap<TKey, int> _ours = new(arena);

    public void Do(Step step)
    {
        TKey key = keyOf(step.First);
        int value = step.Second % 5;
        if (!_theirs.TryGetValue(key, out List<int>? values))
            values = [];

        switch (step.Kind)
        {
            case < 60:
                _ours.Add(key, value);
                values.Add(value);
                _theirs[key] = values;
                break;
            case < 70:
                ThrowUnlessSame(_ours.CountOf(key), values.Count, "count of key");
                ThrowUnlessSame(_ours.ContainsKey(key), values.Count != 0, "contained");
                bool has = _ours.TryGetFirst(key, out int first);
                ThrowUnlessSame((has, first), (values.Count != 0, values.FirstOrDefault()), "first");
                break;
            case < 90:
                ThrowUnlessSame(_ours.Remove(key, value), values.RemoveAll(each => each == value), "removed values");
                break;
            case < 97:
                ThrowUnlessSame(_ours.Remove(key), values.Count, "removed");
                values.Clear();
                break;
            case < 99:
                _ours.EnsureCapacity(step.First % 1_000);
                break;
            case 99 when step.First % 8 == 0:
                _ours.Clear();
                _theirs.Clear();
                break;
        }

        if (values.Count == 0)
            _theirs.Remove(key);
    }

    public void Compare()
    {
        ThrowUnlessSame(_ours.Count, _theirs.Values.Sum(list => list.Count), "count");
        ThrowUnlessSame(_ours.KeyCount, _theirs.Count, "keys");
        Dictionary<TKey, int> sums = [];
        foreach (var (key, value) in _ours)
            sums[key] = sums.GetValueOrDefault(key) + value;

        int from = 0;
        while (_ours.TryNextKey(ref from, out TKey key))
        {
            int index = 0;
            foreach (ref int value in _ours.ValuesOf(key))
                ThrowUnlessSame(value, _theirs[key][index++], $"value of {key}");

            ThrowUnlessSame(index, _theirs[key].Count, $"values of {key}");
            ThrowUnlessSame(sums[key], _theirs[key].Sum(), $"sum of {key}");
        }

        ThrowUnlessSame(from, _theirs.Count, "walked keys");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A list that does not move beside <see cref="List{T}"/>, and the addresses that its elements had at
/// first.</summary>
internal sealed unsafe class StableListTwins(StableList<long> ours) : ITwins
{
    private readonly List<(long Value, nint Address)> _theirs = [];
    private StableList<long> _ours = ours;

    public void Do(Step step)
    {
        int index = step.First % Math.Max(_theirs.Count, 1);
        switch (step.Kind)
        {
            case < 70:
                ref long added = ref _ours.Add(step.Second);
                _theirs.Add((step.Second, (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref added)));
                break;
            case < 80 when _theirs.Count != 0:
                ThrowUnlessSame(_ours.RemoveLast(), _theirs[^1].Value, "removed");
                _theirs.RemoveAt(_theirs.Count - 1);
                break;
            case < 90 when _theirs.Count != 0:
                _ours[index] = ~_ours[index];
                _theirs[index] = (~_theirs[index].Value, _theirs[index].Address);
                break;
            case < 95:
                _ours.EnsureCapacity(step.First % 1_000);
                break;
            case 99 when step.First % 8 == 0:
                _ours.Clear();
                _theirs.Clear();
                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame(_ours.Count, _theirs.Count, "count");
        int walked = 0;
        foreach (Span<long> span in _ours.Spans)
        {
            foreach (long value in span)
            {
                ThrowUnlessSame(value, _theirs[walked].Value, "walked element");
                ThrowUnlessSame(value, _ours[walked], "element");
                ThrowUnlessSame(value, *(long*)_theirs[walked].Address, "element by its first address");
                walked++;
            }
        }

        ThrowUnlessSame(walked, _theirs.Count, "walked elements");
    }

    public void Dispose() => _ours.Dispose();
}
