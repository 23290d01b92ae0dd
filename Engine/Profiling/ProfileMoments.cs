using System.Globalization;
using Engine.Arenas;
using Engine.Core;

namespace Engine.Profiling;

/// <summary>What happened beside the frames: moments seen at the ends of frames, the last of them in a ring, and spans noted between frames. One thread.</summary>
internal sealed class ProfileMoments : IDisposable
{
    /// <summary>The track of SuperSlabs coming and going.</summary>
    public const string SuperSlabs = "SuperSlabs";

    private const int Capacity = 4096;

    private readonly NativeArray<Moment> _ring = new(Capacity);
    private readonly List<ProfileEvent> _spans = [];
    private long _count;

    /// <summary>Keeps a moment. Hot-loop safe.</summary>
    public void Add(long ticks, MomentKind kind, long subject, long value) =>
        _ring[(int)(_count++ % Capacity)] = new Moment { Ticks = ticks, Kind = kind, Subject = subject, Value = value };

    public void AddSpan(ProfileEvent span) => _spans.Add(span);

    public void Clear() => _count = 0;

    /// <summary>All of them by time.</summary>
    public IReadOnlyList<ProfileEvent> ToEvents(Func<long, long> nanosecondsOf)
    {
        List<ProfileEvent> events = [.. _spans];
        for (long moment = Math.Max(0, _count - Capacity); moment < _count; moment++)
        {
            Moment kept = _ring[(int)(moment % Capacity)];
            events.Add(new ProfileEvent(TrackOf(kept.Kind), TextOf(kept), nanosecondsOf(kept.Ticks), 0));
        }

        return [.. events.OrderBy(one => one.Start)];
    }

    public void Dispose() => _ring.Dispose();

    private static string TrackOf(MomentKind kind) => kind == MomentKind.SuperSlabs ? SuperSlabs : "tags";

    private static string TextOf(Moment moment) => moment.Kind == MomentKind.SuperSlabs
        ? string.Create(CultureInfo.InvariantCulture, $"{moment.Value:+0;-0;0}, {moment.Subject} owned")
        : $"'{AllocationTag.Of((int)moment.Subject)?.Name}' over its budget: {Sizes.Text((nuint)moment.Value)}";

    private struct Moment
    {
        public long Ticks;
        public MomentKind Kind;
        public long Subject;
        public long Value;
    }
}
