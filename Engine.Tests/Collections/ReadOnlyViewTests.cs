using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>A view shows what its container holds, also what is changed after it was taken.</summary>
internal sealed class ReadOnlyViewTests : ArenaFixture
{
    [Test]
    public void Elements_are_seen_by_place()
    {
        using NativeArray<int> array = new(Arena, 3);
        using NativeList<int> list = new(Arena);
        using StableList<int> stable = new(Arena);
        ReadOnlyElements<int> ofArray = array.AsReadOnly();
        ReadOnlyElements<int> ofList = list.AsReadOnly();
        StableList<int>.ReadOnly ofStable = stable.AsReadOnly();
        array[2] = 7;
        list.Add(8);
        stable.Add(9);
        Assert.That((ofArray.Count, ofArray[2]), Is.EqualTo((3, 7)));
        Assert.That((ofList.Count, ofList[0]), Is.EqualTo((1, 8)));
        Assert.That((ofStable.Count, ofStable[0]), Is.EqualTo((1, 9)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = ofStable[1]);
    }

    [Test]
    public void Values_are_seen_by_key()
    {
        using NativeSparseSet<int> sparse = new(Arena);
        using NativeSlotMap<int> slots = new(Arena);
        NativeSparseSet<int>.ReadOnly ofSparse = sparse.AsReadOnly();
        NativeSlotMap<int>.ReadOnly ofSlots = slots.AsReadOnly();
        sparse.Set(40, 4);
        SlotKey key = slots.Add(5);
        Assert.That((ofSparse.Count, ofSparse[40], ofSparse.Contains(41)), Is.EqualTo((1, 4, false)));
        Assert.That(ofSparse.AsSpan()[0].Number, Is.EqualTo(40));
        int sum = 0;
        foreach (ref readonly NativeSparseSet<int>.Entry entry in ofSparse)
            sum += entry.Value;

        Assert.That(sum, Is.EqualTo(4));
        Assert.That((ofSlots.Count, ofSlots[key], ofSlots.Contains(key)), Is.EqualTo((1, 5, true)));
        Assert.That(ofSlots.TryGetValue(key, out int value), Is.True);
        uint from = 0;
        Assert.That((ofSlots.TryNext(ref from, out SlotKey found), found, value), Is.EqualTo((true, key, 5)));
        slots.Remove(key);
        Assert.Throws<KeyNotFoundException>(() => _ = ofSlots[key]);
    }

    [Test]
    public void Values_of_a_key_are_seen_together()
    {
        using NativeMultiHashMap<int, int> map = new(Arena);
        NativeMultiHashMap<int, int>.ReadOnly view = map.AsReadOnly();
        map.Add(1, 10);
        map.Add(1, 11);
        map.Add(2, 20);
        Assert.That((view.Count, view.KeyCount, view.CountOf(1), view.ContainsKey(3)), Is.EqualTo((3, 2, 2, false)));
        Assert.That(view.TryGetFirst(1, out int first), Is.True);
        int from = 0;
        int keys = 0;
        while (view.TryNextKey(ref from, out int key))
            keys += key;

        int sum = 0;
        foreach (ref readonly NativeMultiHashMap<int, int>.Entry entry in view)
            sum += entry.Value;

        Assert.That((first, keys, sum, view.AsSpan().Length), Is.EqualTo((10, 3, 41, 3)));
    }

    [Test]
    public void Bits_are_seen_one_by_one_and_counted()
    {
        using NativeBitArray bits = new(Arena, 100);
        NativeBitArray.ReadOnly view = bits.AsReadOnly();
        bits.SetRange(60, 10, true);
        Assert.That((view.Length, view.CountSet(), view.FindFirst(true), view[69]), Is.EqualTo((100, 10, 60, true)));
        Assert.That(view.AsWords()[1], Is.EqualTo(0b111111UL));
    }
}
