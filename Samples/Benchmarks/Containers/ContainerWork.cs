using SuperSlab;
using SuperSlab.Collections;

namespace Samples.Benchmarks.Containers;

/// <summary>One kind of operation on a container and on its twin of the BCL. Both give the same sum.</summary>
/// <param name="Name">The operation.</param>
/// <param name="Twin">The BCL's container.</param>
/// <param name="Limit">The part of the BCL's time that ours is to take at most.</param>
/// <param name="Operations">How many are done.</param>
/// <param name="Ours">Does them on ours.</param>
/// <param name="Theirs">Does them on the twin.</param>
internal sealed record ContainerWork(
    string Name, string Twin, double Limit, int Operations, Func<long> Ours, Func<long> Theirs)
{
    private const double Usual = 0.9;
    private const double Lookup = 0.7;
    private const int Million = 1_000_000;

    /// <summary>All kinds, on containers of a number of entries. Keys of maps are random numbers, and then numbers that
    /// follow each other.</summary>
    public static IEnumerable<ContainerWork> All(ArenaRef arena, int count)
    {
        Random random = new(1);
        HashSet<int> distinct = [];
        while (distinct.Count < 2 * count)
            distinct.Add(random.Next());

        int[] all = [.. distinct];
        int[] million = [.. Enumerable.Range(0, Million).Select(_ => random.Next())];
        ContainerWork[] twins =
        [
            .. Lists(arena, count),
            .. Maps(arena, "random", all[..count], all[count..]),
            .. Maps(arena, "sequential", [.. Enumerable.Range(0, count)], [.. Enumerable.Range(count, count)]),
            Growth(arena, "map grown to 1,000,000, random", million),
            .. Queues(arena, count, random),
        ];
        return twins.Concat(StoreWork.All(arena, count));
    }

    private static ContainerWork[] Lists(ArenaRef arena, int count)
    {
        NativeList<int> ours = new(arena);
        List<int> theirs = [];
        return
        [
            new("list add", "List", Usual, count, () => Add(ours, count), () => Add(theirs, count)),
            new("list grown to 1,000,000", "List", Usual, Million, () => Grow(arena), Grow),
            new("list index", "List", Usual, count, () => Index(ours), () => Index(theirs)),
            new("list foreach", "List", Usual, count, () => Walk(ours), () => Walk(theirs)),
        ];
    }

    private static ContainerWork[] Maps(ArenaRef arena, string kind, int[] keys, int[] missing)
    {
        int count = keys.Length;
        int[] shuffled = [.. keys];
        if (kind == "random")
            new Random(2).Shuffle(shuffled);

        NativeHashMap<int, int> ours = new(arena);
        Dictionary<int, int> theirs = [];
        NativeHashSet<int> set = new(arena);
        HashSet<int> twin = [];
        return
        [
            new($"map add, {kind}", "Dictionary", Usual, count, () => Fill(ours, keys), () => Fill(theirs, keys)),
            new($"map hit, {kind}", "Dictionary", Lookup, count,
                () => Get(ours, shuffled), () => Get(theirs, shuffled)),
            new($"map miss, {kind}", "Dictionary", Lookup, count, () => Get(ours, missing), () => Get(theirs, missing)),
            new($"map foreach, {kind}", "Dictionary", Usual, count, () => Walk(ours), () => Walk(theirs)),
            new($"map remove and add, {kind}", "Dictionary", Usual, 2 * count,
                () => Empty(ours, shuffled) + Fill(ours, keys), () => Empty(theirs, shuffled) + Fill(theirs, keys)),
            new($"set add, {kind}", "HashSet", Usual, count, () => Fill(set, keys), () => Fill(twin, keys)),
            new($"set hit, {kind}", "HashSet", Lookup, count, () => Get(set, shuffled), () => Get(twin, shuffled)),
        ];
    }

    private static ContainerWork Growth(ArenaRef arena, string name, int[] keys) => new(
        name, "Dictionary", Usual, keys.Length,
        () =>
        {
            using NativeHashMap<int, int> map = new(arena);
            return Fill(map, keys);
        },
        () => Fill(new Dictionary<int, int>(), keys));

    private static ContainerWork[] Queues(ArenaRef arena, int count, Random random)
    {
        int[] priorities = [.. Enumerable.Range(0, count).Select(_ => random.Next())];
        NativeQueue<int> ours = new(arena);
        Queue<int> theirs = [];
        NativePriorityQueue<int, int> heap = new(arena);
        PriorityQueue<int, int> twin = new();
        return
        [
            new("queue in and out", "Queue", Usual, 2 * count, () => Pass(ours, count), () => Pass(theirs, count)),
            new("priority queue in and out", "PriorityQueue", Usual, 2 * count,
                () => Pass(heap, priorities), () => Pass(twin, priorities)),
        ];
    }

    private static long Add(NativeList<int> list, int count)
    {
        list.Clear();
        for (int number = 0; number < count; number++)
            list.Add(number);

        return list.Count;
    }

    private static long Add(List<int> list, int count)
    {
        list.Clear();
        for (int number = 0; number < count; number++)
            list.Add(number);

        return list.Count;
    }

    private static long Grow(ArenaRef arena)
    {
        using NativeList<int> list = new(arena);
        return Add(list, Million);
    }

    private static long Grow() => Add([], Million);

    private static long Index(NativeList<int> list)
    {
        long sum = 0;
        int count = list.Count;
        for (int index = 0; index < count; index++)
            sum += list[index];

        return sum;
    }

    private static long Index(List<int> list)
    {
        long sum = 0;
        int count = list.Count;
        for (int index = 0; index < count; index++)
            sum += list[index];

        return sum;
    }

    private static long Walk(NativeList<int> list)
    {
        long sum = 0;
        foreach (ref int element in list)
            sum += element;

        return sum;
    }

    private static long Walk(List<int> list)
    {
        long sum = 0;
        foreach (int element in list)
            sum += element;

        return sum;
    }

    private static long Fill(NativeHashMap<int, int> map, int[] keys)
    {
        map.Clear();
        foreach (int key in keys)
            map.TryAdd(key, key);

        return map.Count;
    }

    private static long Fill(Dictionary<int, int> map, int[] keys)
    {
        map.Clear();
        foreach (int key in keys)
            map.TryAdd(key, key);

        return map.Count;
    }

    private static long Get(NativeHashMap<int, int> map, int[] keys)
    {
        long sum = 0;
        foreach (int key in keys)
        {
            if (map.TryGetValue(key, out int value))
                sum += value;
        }

        return sum;
    }

    private static long Get(Dictionary<int, int> map, int[] keys)
    {
        long sum = 0;
        foreach (int key in keys)
        {
            if (map.TryGetValue(key, out int value))
                sum += value;
        }

        return sum;
    }

    private static long Walk(NativeHashMap<int, int> map)
    {
        long sum = 0;
        foreach (ref var entry in map)
            sum += entry.Value;

        return sum;
    }

    private static long Walk(Dictionary<int, int> map)
    {
        long sum = 0;
        foreach (KeyValuePair<int, int> entry in map)
            sum += entry.Value;

        return sum;
    }

    private static long Empty(NativeHashMap<int, int> map, int[] keys)
    {
        long removed = 0;
        foreach (int key in keys)
            removed += map.Remove(key) ? 1 : 0;

        return removed;
    }

    private static long Empty(Dictionary<int, int> map, int[] keys)
    {
        long removed = 0;
        foreach (int key in keys)
            removed += map.Remove(key) ? 1 : 0;

        return removed;
    }

    private static long Fill(NativeHashSet<int> set, int[] items)
    {
        set.Clear();
        foreach (int item in items)
            set.Add(item);

        return set.Count;
    }

    private static long Fill(HashSet<int> set, int[] items)
    {
        set.Clear();
        foreach (int item in items)
            set.Add(item);

        return set.Count;
    }

    private static long Get(NativeHashSet<int> set, int[] items)
    {
        long found = 0;
        foreach (int item in items)
            found += set.Contains(item) ? 1 : 0;

        return found;
    }

    private static long Get(HashSet<int> set, int[] items)
    {
        long found = 0;
        foreach (int item in items)
            found += set.Contains(item) ? 1 : 0;

        return found;
    }

    private static long Pass(NativeQueue<int> queue, int count)
    {
        long sum = 0;
        for (int number = 0; number < count; number++)
            queue.Enqueue(number);

        for (int number = 0; number < count; number++)
            sum += queue.Dequeue();

        return sum;
    }

    private static long Pass(Queue<int> queue, int count)
    {
        long sum = 0;
        for (int number = 0; number < count; number++)
            queue.Enqueue(number);

        for (int number = 0; number < count; number++)
            sum += queue.Dequeue();

        return sum;
    }

    private static long Pass(NativePriorityQueue<int, int> queue, int[] priorities)
    {
        long sum = 0;
        foreach (int priority in priorities)
            queue.Enqueue(priority, priority);

        for (int number = 0; number < priorities.Length; number++)
            sum = (sum * 3) + queue.Dequeue();

        return sum;
    }

    private static long Pass(PriorityQueue<int, int> queue, int[] priorities)
    {
        long sum = 0;
        foreach (int priority in priorities)
            queue.Enqueue(priority, priority);

        for (int number = 0; number < priorities.Length; number++)
            sum = (sum * 3) + queue.Dequeue();

        return sum;
    }
}
