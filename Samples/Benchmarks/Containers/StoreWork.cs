using System.Collections.Concurrent;
using Samples.Common.Entities;
using SuperSlab;
using SuperSlab.Collections;

namespace Samples.Benchmarks.Containers;

/// <summary>Rows of <see cref="ContainerWork"/> for containers that the BCL has no twin of: what a game would use
/// there.</summary>
internal static class StoreWork
{
    private const double Usual = 0.9;

    /// <summary>Each container is made when its first row is asked for: the rows before measure without it.</summary>
    public static IEnumerable<ContainerWork> All(ArenaRef arena, int count)
    {
        Func<ArenaRef, int, ContainerWork[]>[] kinds = [MultiMaps, StableLists, Threads, Entities];
        return kinds.SelectMany(kind => kind(arena, count));
    }

    private static ContainerWork[] MultiMaps(ArenaRef arena, int count)
    {
        const int ValuesOfKey = 8;
        NativeMultiHashMap<int, int> ours = new(arena);
        Dictionary<int, List<int>> theirs = [];
        int keys = count / ValuesOfKey;
        return
        [
            new("multi map add", "Dictionary of Lists", Usual, count,
                () =>
                {
                    ours.Clear();
                    for (int number = 0; number < count; number++)
                        ours.Add(number % keys, number);

                    return ours.Count;
                },
                () =>
                {
                    theirs.Clear();
                    for (int number = 0; number < count; number++)
                    {
                        if (!theirs.TryGetValue(number % keys, out List<int>? values))
                            theirs.Add(number % keys, values = []);

                        values.Add(number);
                    }

                    return count;
                }),
            new("multi map values of a key", "Dictionary of Lists", Usual, count,
                () =>
                {
                    long sum = 0;
                    for (int key = 0; key < keys; key++)
                    {
                        foreach (ref int value in ours.ValuesOf(key))
                            sum += value;
                    }

                    return sum;
                },
                () =>
                {
                    long sum = 0;
                    for (int key = 0; key < keys; key++)
                    {
                        foreach (int value in theirs[key])
                            sum += value;
                    }

                    return sum;
                }),
        ];
    }

    private static ContainerWork[] StableLists(ArenaRef arena, int count)
    {
        StableList<int> ours = new(arena);
        List<int> theirs = [];
        return
        [
            new("stable list add", "List", Usual, count,
                () =>
                {
                    ours.Clear();
                    for (int number = 0; number < count; number++)
                        ours.Add(number);

                    return ours.Count;
                },
                () =>
                {
                    theirs.Clear();
                    for (int number = 0; number < count; number++)
                        theirs.Add(number);

                    return theirs.Count;
                }),
            new("stable list index", "List", Usual, count,
                () =>
                {
                    long sum = 0;
                    for (int index = 0; index < count; index++)
                        sum += ours[index];

                    return sum;
                },
                () =>
                {
                    long sum = 0;
                    for (int index = 0; index < count; index++)
                        sum += theirs[index];

                    return sum;
                }),
            new("stable list walk by spans", "List", Usual, count,
                () =>
                {
                    long sum = 0;
                    foreach (Span<int> span in ours.Spans)
                    {
                        foreach (int value in span)
                            sum += value;
                    }

                    return sum;
                },
                () =>
                {
                    long sum = 0;
                    foreach (int value in theirs)
                        sum += value;

                    return sum;
                }),
        ];
    }

    /// <summary>What threads share, by one thread: the cost where nobody is in the way.</summary>
    private static ContainerWork[] Threads(ArenaRef arena, int count)
    {
        const int Some = 64;
        NativeSpscRing<int> ring = new(arena, Some);
        NativeMpmcQueue<int> queue = new(arena, Some);
        ConcurrentQueue<int> theirs = [];
        NativeStream stream = new(arena, 1);
        List<int> list = [];
        NativeList<int> ours = new(arena, count);
        ConcurrentBag<int> bag = [];
        return
        [
            new("ring of two threads, in and out", "ConcurrentQueue", Usual, 2 * count,
                () => Pass(ring, count), () => Pass(theirs, count)),
            new("queue of any threads, in and out", "ConcurrentQueue", Usual, 2 * count,
                () => Pass(queue, count), () => Pass(theirs, count)),
            new("stream written and read", "List", Usual, 2 * count,
                () =>
                {
                    stream.Clear();
                    for (int number = 0; number < count; number++)
                        stream.Write(0, number);

                    long sum = 0;
                    for (NativeStream.Reader reader = stream.Read(0); reader.Remaining != 0;)
                        sum += reader.Read<int>();

                    return sum;
                },
                () =>
                {
                    list.Clear();
                    for (int number = 0; number < count; number++)
                        list.Add(number);

                    long sum = 0;
                    foreach (int number in list)
                        sum += number;

                    return sum;
                }),
            new("list, parallel writer's add", "ConcurrentBag", Usual, count,
                () =>
                {
                    ours.Clear();
                    NativeList<int>.ParallelWriter writer = ours.AsParallelWriter();
                    for (int number = 0; number < count; number++)
                        writer.AddNoResize(number);

                    return ours.Count;
                },
                () =>
                {
                    bag.Clear();
                    for (int number = 0; number < count; number++)
                        bag.Add(number);

                    return count;
                }),
        ];
    }

    private static long Pass(NativeSpscRing<int> ring, int count)
    {
        long sum = 0;
        for (int number = 0; number < count; number++)
        {
            ring.TryPush(number);
            if (number % 2 != 0 && ring.TryPop(out int first) && ring.TryPop(out int second))
                sum += first + (3 * second);
        }

        return sum;
    }

    private static long Pass(NativeMpmcQueue<int> queue, int count)
    {
        long sum = 0;
        for (int number = 0; number < count; number++)
        {
            queue.TryEnqueue(number);
            if (number % 2 != 0 && queue.TryDequeue(out int first) && queue.TryDequeue(out int second))
                sum += first + (3 * second);
        }

        return sum;
    }

    private static long Pass(ConcurrentQueue<int> queue, int count)
    {
        long sum = 0;
        for (int number = 0; number < count; number++)
        {
            queue.Enqueue(number);
            if (number % 2 != 0 && queue.TryDequeue(out int first) && queue.TryDequeue(out int second))
                sum += first + (3 * second);
        }

        return sum;
    }

    private static ContainerWork[] Entities(ArenaRef arena, int count)
    {
        EntityStore store = new(arena);
        Entity[] entities = new Entity[count];
        Body[] bodies = new Body[count];
        Dictionary<int, Health> healths = [];
        for (int number = 0; number < count; number++)
        {
            entities[number] = store.Create(ComponentSet.Of<Place, Speed>());
            store.Get<Speed>(entities[number]) = new Speed(number, 1);
            bodies[number] = new Body { Speed = new Speed(number, 1) };
        }

        return
        [
            new("entities moved by their speed", "objects in an array", Usual, count,
                () =>
                {
                    long sum = 0;
                    foreach (EntityChunk chunk in store.Query(ComponentSet.Of<Place, Speed>()))
                    {
                        Span<Place> places = chunk.Get<Place>();
                        Span<Speed> speeds = chunk.Get<Speed>();
                        for (int row = 0; row < places.Length && row < speeds.Length; row++)
                        {
                            Place place = new(places[row].X + speeds[row].X, places[row].Y + speeds[row].Y);
                            places[row] = place;
                            sum += place.Y;
                        }
                    }

                    return sum;
                },
                () =>
                {
                    long sum = 0;
                    foreach (Body body in bodies)
                    {
                        Place place = new(body.Place.X + body.Speed.X, body.Place.Y + body.Speed.Y);
                        body.Place = place;
                        sum += place.Y;
                    }

                    return sum;
                }),
            new("entities given a component, then it is taken", "Dictionary", Usual, 2 * count,
                () =>
                {
                    foreach (Entity entity in entities)
                        store.Add(entity, new Health(3));

                    long removed = 0;
                    foreach (Entity entity in entities)
                        removed += store.Remove<Health>(entity) ? 1 : 0;

                    return removed;
                },
                () =>
                {
                    for (int number = 0; number < count; number++)
                        healths.Add(number, new Health(3));

                    long removed = 0;
                    for (int number = 0; number < count; number++)
                        removed += healths.Remove(number) ? 1 : 0;

                    return removed;
                }),
        ];
    }

    private readonly record struct Place(int X, int Y);

    private readonly record struct Speed(int X, int Y);

    private readonly record struct Health(int Points);

    private sealed class Body
    {
        public Place Place { get; set; }

        public Speed Speed { get; set; }
    }
}
