using System.Runtime.CompilerServices;
using SuperSlab.Collections;
using static Engine.Tests.Collections.DifferenceException;

namespace Engine.Tests.Collections;

/// <summary>A queue of several threads, used by one, beside <see cref="Queue{T}"/>.</summary>
internal sealed class SharedQueueTwins : ITwins
{
    private delegate bool TryTake(out int item);

    private readonly Queue<int> _theirs = [];
    private readonly int _capacity;
    private readonly Func<int, bool> _tryAdd;
    private readonly TryTake _tryTake;
    private readonly Func<int> _count;
    private readonly IDisposable _ours;

    private SharedQueueTwins(
        int capacity, Func<int, bool> tryAdd, TryTake tryTake, Func<int> count, IDisposable ours) =>
        (_capacity, _tryAdd, _tryTake, _count, _ours) = (capacity, tryAdd, tryTake, count, ours);

    public static SharedQueueTwins OfRing(ArenaRef arena)
    {
        NativeSpscRing<int> ours = new(arena, 13);
        return new(ours.Capacity, ours.TryPush, ours.TryPop, () => ours.Count, ours);
    }

    public static SharedQueueTwins OfQueue(ArenaRef arena)
    {
        NativeMpmcQueue<int> ours = new(arena, 13);
        ThrowUnlessSame(ours.Capacity, 16, "capacity");
        return new(ours.Capacity, ours.TryEnqueue, ours.TryDequeue, () => ours.Count, ours);
    }

    public void Do(Step step)
    {
        if (step.Kind < 60)
        {
            bool hasRoom = _theirs.Count < _capacity;
            ThrowUnlessSame(_tryAdd(step.First), hasRoom, "added");
            if (hasRoom)
                _theirs.Enqueue(step.First);
        }
        else
        {
            bool had = _tryTake(out int item);
            ThrowUnlessSame((had, item), (_theirs.TryDequeue(out int same), same), "taken");
        }
    }

    public void Compare() => ThrowUnlessSame(_count(), _theirs.Count, "count");

    public void Dispose() => _ours.Dispose();
}

/// <summary>A stream beside lists of what each part got.</summary>
internal sealed class StreamTwins(ArenaRef arena) : ITwins
{
    private const int Parts = 3;

    private readonly List<object>[] _theirs = [[], [], []];
    private NativeStream _ours = new(arena, Parts);

    public void Do(Step step)
    {
        int part = step.First % Parts;
        switch (step.Kind)
        {
            case < 25:
                Write(part, (byte)step.Second);
                break;
            case < 50:
                Write(part, (step.Second, (byte)step.First));
                break;
            case < 75:
                Write(part, (decimal)step.Second);
                break;
            case < 85:
                for (int many = 0; many < 12; many++)
                    Write(part, new Wide(step.Second + many));

                break;
            case < 88 when step.First % 4 == 0:
                Write(part, new Huge(step.Second));
                break;
            case > 96:
                _ours.Clear();
                Array.ForEach(_theirs, list => list.Clear());
                break;
        }
    }

    public void Compare()
    {
        ThrowUnlessSame(_ours.Count, _theirs.Sum(list => list.Count), "count");
        for (int part = 0; part < Parts; part++)
        {
            NativeStream.Reader reader = _ours.Read(part);
            foreach (object value in _theirs[part])
            {
                switch (value)
                {
                    case byte:
                        ThrowUnlessSame(reader.Read<byte>(), value, "byte");
                        break;
                    case (int, byte):
                        ThrowUnlessSame(reader.Read<(int, byte)>(), value, "pair");
                        break;
                    case decimal:
                        ThrowUnlessSame(reader.Read<decimal>(), value, "decimal");
                        break;
                    case Wide:
                        ThrowUnlessSame(reader.Read<Wide>(), value, "wide value");
                        break;
                    default:
                        ThrowUnlessSame(reader.Read<Huge>(), value, "huge value");
                        break;
                }
            }

            ThrowUnlessSame(reader.Remaining, 0, "left");
            ThrowUnlessSame(_ours.CountOf(part), _theirs[part].Count, "count of part");
        }
    }

    public void Dispose() => _ours.Dispose();

    private void Write<T>(int part, T value)
        where T : unmanaged
    {
        _ours.Write(part, value);
        _theirs[part].Add(value);
    }

    /// <summary>Some hundred bytes.</summary>
    private record struct Wide(long Content)
    {
        private Bytes<long> _more = Bytes<long>.Of(Content);

        [InlineArray(40)]
        internal struct Bytes<T>
            where T : struct
        {
            private T _first;

            public static Bytes<T> Of(T content)
            {
                Bytes<T> all = default;
                ((Span<T>)all).Fill(content);
                return all;
            }
        }

        public readonly bool Equals(Wide other) =>
            Content == other.Content && ((ReadOnlySpan<long>)_more).IndexOfAnyExcept(Content) < 0
                && ((ReadOnlySpan<long>)other._more).IndexOfAnyExcept(Content) < 0;

        public override readonly int GetHashCode() => Content.GetHashCode();
    }

    /// <summary>More than a usual block of a stream.</summary>
    private record struct Huge(long Content)
    {
        private Wide.Bytes<Wide> _more = Wide.Bytes<Wide>.Of(new Wide(Content));

        public readonly bool Equals(Huge other) =>
            Content == other.Content && ((ReadOnlySpan<Wide>)_more).IndexOfAnyExcept(other._more[0]) < 0;

        public override readonly int GetHashCode() => Content.GetHashCode();
    }
}
