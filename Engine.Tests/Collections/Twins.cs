using System.Runtime.InteropServices;
using SuperSlab.Collections;
using static Engine.Tests.Collections.DifferenceException;

namespace Engine.Tests.Collections;

/// <summary>A list beside <see cref="List{T}"/>.</summary>
internal sealed class ListTwins(ArenaRef arena) : ITwins
{
    private NativeList<long> _ours = new(arena);
    private readonly List<long> _theirs = [];

    public void Do(Step step)
    {
        int count = _theirs.Count;
        int index = step.First % Math.Max(count, 1);
        long value = step.Second;
        switch (step.Kind)
        {
            case < 30:
                _ours.Add(value);
                _theirs.Add(value);
                break;
            case < 40:
                _ours.Insert(step.First % (count + 1), value);
                _theirs.Insert(step.First % (count + 1), value);
                break;
            case < 46:
                long[] some = [value, value + 1, value + 2];
                _ours.AddRange(some);
                _theirs.AddRange(some);
                break;
            case < 52 when count < 2_000:
                // A part of the list goes into the list.
                int length = Math.Min(step.Second % 50, count - index);
                long[] own = [.. _theirs[index..(index + length)]];
                _ours.InsertRange(step.Second % (count + 1), _ours.AsSpan().Slice(index, length));
                _theirs.InsertRange(step.Second % (count + 1), own);
                break;
            case < 58:
                _ours.AddSpan(3).Fill(value);
                _theirs.AddRange([value, value, value]);
                break;
            case < 60:
                _ours.EnsureCapacity(step.First % 3_000);
                break;
            case < 62 when _ours.Capacity > count:
                _ours.AddNoResize(value);
                _theirs.Add(value);
                break;
            case 99 when step.First % 8 == 0:
                _ours.Clear();
                _theirs.Clear();
                break;
            default:
                if (count != 0)
                    Shrink(step, index);

                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame<long>(_ours.AsSpan(), CollectionsMarshal.AsSpan(_theirs), "element");
        int index = 0;
        foreach (ref long element in _ours)
        {
            ThrowUnlessSame(element, _ours[index], $"walked element {index}");
            index++;
        }

        ThrowUnlessSame(index, _theirs.Count, "walked elements");
    }

    public void Dispose() => _ours.Dispose();

    private void Shrink(Step step, int index)
    {
        switch (step.Kind)
        {
            case < 70:
                _ours.RemoveAt(index);
                _theirs.RemoveAt(index);
                break;
            case < 78:
                _ours.RemoveAtSwapBack(index);
                _theirs[index] = _theirs[^1];
                _theirs.RemoveAt(_theirs.Count - 1);
                break;
            case < 86:
                int length = Math.Min(step.Second % 5, _theirs.Count - index);
                _ours.RemoveRange(index, length);
                _theirs.RemoveRange(index, length);
                break;
            case < 92:
                ThrowUnlessSame(_ours.RemoveLast(), _theirs[^1], "removed element");
                _theirs.RemoveAt(_theirs.Count - 1);
                break;
            default:
                _ours[index] = ~_ours[index];
                _theirs[index] = ~_theirs[index];
                break;
        }
    }
}

/// <summary>A map beside <see cref="Dictionary{TKey, TValue}"/>.</summary>
/// <param name="arena">Where the map lies.</param>
/// <param name="keyOf">A key of a number, the same or not for many.</param>
internal sealed class MapTwins<TKey>(ArenaRef arena, Func<int, TKey> keyOf) : ITwins
    where TKey : unmanaged, IEquatable<TKey>
{
    private readonly Dictionary<TKey, int> _theirs = [];
    private NativeHashMap<TKey, int> _ours = new(arena);

    public void Do(Step step)
    {
        TKey key = keyOf(step.First);
        switch (step.Kind)
        {
            case < 25:
                ThrowUnlessSame(_ours.TryAdd(key, step.Second), _theirs.TryAdd(key, step.Second), "added");
                break;
            case < 35:
                _ours[key] = step.Second;
                _theirs[key] = step.Second;
                break;
            case < 45:
                ref int ours = ref _ours.GetOrAdd(key, out bool exists);
                ref int theirs = ref CollectionsMarshal.GetValueRefOrAddDefault(_theirs, key, out bool existed);
                ThrowUnlessSame((ours, exists), (theirs, existed), "had or added");
                ours ^= step.Second;
                theirs ^= step.Second;
                break;
            case < 65:
                bool found = _ours.TryGetValue(key, out int value);
                ThrowUnlessSame((_theirs.TryGetValue(key, out int same), same), (found, value), "looked up");
                ThrowUnlessSame(_ours.ContainsKey(key), found, "contained");
                _ = _ours.GetRef(key, out bool referred);
                ThrowUnlessSame(referred, found, "referred to");
                break;
            case < 80:
                bool removed = _ours.Remove(key, out int gone);
                ThrowUnlessSame((removed, gone), (_theirs.Remove(key, out int went), went), "removed");
                break;
            case < 92 when _theirs.Count != 0:
                // One that is there.
                key = _ours.AsSpan()[step.First % _theirs.Count].Key;
                ThrowUnlessSame((_ours.Remove(key), true), (true, _theirs.Remove(key)), "removed");
                break;
            case < 94:
                _ours.EnsureCapacity(step.First % 2_000);
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
        foreach (var (key, value) in _ours)
        {
            ThrowUnlessSame((true, value), (_theirs.TryGetValue(key, out int same), same), $"walked key {key}");
            ThrowUnlessSame(_ours[key], value, $"value of {key}");
            walked++;
        }

        ThrowUnlessSame(walked, _theirs.Count, "walked entries");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A set beside <see cref="HashSet{T}"/>.</summary>
internal sealed class SetTwins(ArenaRef arena) : ITwins
{
    private readonly HashSet<short> _theirs = [];
    private NativeHashSet<short> _ours = new(arena);

    public void Do(Step step)
    {
        short item = (short)(step.First % 400);
        switch (step.Kind)
        {
            case < 50:
                ThrowUnlessSame(_ours.Add(item), _theirs.Add(item), "added");
                break;
            case < 70:
                ThrowUnlessSame(_ours.Contains(item), _theirs.Contains(item), "contained");
                break;
            case 99:
                _ours.Clear();
                _theirs.Clear();
                break;
            default:
                ThrowUnlessSame(_ours.Remove(item), _theirs.Remove(item), "removed");
                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame(_theirs.SetEquals(_ours.AsSpan().ToArray()), true, "same elements");
        ThrowUnlessSame(_ours.Count, _theirs.Count, "count");
    }

    public void Dispose() => _ours.Dispose();
}

/// <summary>A key whose codes are all the same.</summary>
internal readonly record struct SameCode(int Number)
{
    public override int GetHashCode() => 7;
}
