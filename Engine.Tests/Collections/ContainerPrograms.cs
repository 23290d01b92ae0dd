using System.Text;
using Engine.Tests.Support;

namespace Engine.Tests.Collections;

/// <summary>One step of a random program. Any numbers are a valid step.</summary>
internal readonly record struct Step(int Kind, int First, int Second);

/// <summary>A container beside its twin of the BCL: both do each step, and must give the same.</summary>
internal interface ITwins : IDisposable
{
    /// <summary>Does a step on both.</summary>
    /// <exception cref="DifferenceException">They gave different results.</exception>
    void Do(Step step);

    /// <summary>Compares all of both.</summary>
    /// <exception cref="DifferenceException">They differ.</exception>
    void Compare();
}

/// <summary>A container does not do what its twin does.</summary>
internal sealed class DifferenceException(string message) : Exception(message)
{
    /// <summary>Throws where two results are not the same.</summary>
    public static void ThrowUnlessSame<T>(T ours, T theirs, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(ours, theirs))
            throw new DifferenceException($"{what}: the container has {ours}, its twin {theirs}");
    }

    public static void ThrowUnlessSame<T>(ReadOnlySpan<T> ours, ReadOnlySpan<T> theirs, string what)
    {
        ThrowUnlessSame(ours.Length, theirs.Length, $"{what}, count");
        for (int index = 0; index < ours.Length; index++)
            ThrowUnlessSame(ours[index], theirs[index], $"{what} {index}");
    }
}

/// <summary>Where containers of a test lie: an arena of each kind, with checks of each mode.</summary>
internal sealed class ContainerPlaces : IDisposable
{
    private readonly EngineMemory _memory;
    private readonly LongLivedArena _longLived;
    private readonly FrameArena _frames;
    private readonly ArenaGroup _group;
    private readonly SmallArena _small;

    public ContainerPlaces(MemoryChecks checks)
    {
        _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        _longLived = _memory.CreateLongLivedArena("world");
        _frames = _memory.CreateFrameArena("frames", new FrameArenaOptions { BytesPerLane = Size.MiB(4) });
        _group = _memory.CreateArenaGroup("scripts");
        _small = _group.CreateArena("script");
    }

    public static IEnumerable<MemoryChecks> AllChecks =>
        [MemoryChecks.Off, MemoryChecks.Hardened, MemoryChecks.Full];

    public EngineMemory Memory => _memory;

    public LongLivedArena LongLived => _longLived;

    public FrameArena Frames => _frames;

    public SmallArena Small => _small;

    public IEnumerable<ArenaRef> All => [_longLived, _small, Lane];

    public ArenaRef Lane => _frames.Lane(0);

    public void Dispose()
    {
        _memory.Validate();
        _memory.Dispose();
    }
}

/// <summary>Runs random programs on twins, and makes one that fails as short as it finds.</summary>
internal static class ContainerPrograms
{
    private const int Kinds = 100;
    private const int FramesEvery = 20;

    /// <summary>Runs programs in each kind of arena until a number of steps is done.</summary>
    public static void Run(Func<ArenaRef, ITwins> make, MemoryChecks checks, int steps, int programLength = 400)
    {
        Random random = TestRandom.Create();
        using ContainerPlaces places = new(checks);
        int programs = 0;
        for (int done = 0; done < steps; done += programLength)
        {
            Step[] program = new Step[programLength];
            for (int index = 0; index < program.Length; index++)
                program[index] = new Step(random.Next(Kinds), random.Next(), random.Next());

            foreach (ArenaRef arena in places.All)
            {
                if (Failure(make, arena, program) is { } failure)
                    Assert.Fail(Report(make, arena, program, failure));

                done += programLength;
            }

            if (++programs % FramesEvery == 0)
                places.Frames.NextFrame();
        }
    }

    private static string? Failure(Func<ArenaRef, ITwins> make, ArenaRef arena, ReadOnlySpan<Step> program)
    {
        try
        {
            using ITwins twins = make(arena);
            for (int index = 0; index < program.Length; index++)
            {
                twins.Do(program[index]);
                if (index % 16 == 0)
                    twins.Compare();
            }

            twins.Compare();
            return null;
        }
        catch (Exception exception) when (exception is DifferenceException or EngineMemoryException
            or InvalidOperationException or ArgumentException)
        {
            return exception.Message;
        }
    }

    private static string Report(Func<ArenaRef, ITwins> make, ArenaRef arena, Step[] program, string failure)
    {
        Step[] shortest = program;
        for (int length = program.Length / 2; length >= 1; length /= 2)
        {
            for (int start = 0; start + length <= shortest.Length;)
            {
                Step[] shorter = [.. shortest[..start], .. shortest[(start + length)..]];
                if (Failure(make, arena, shorter) is { } same)
                    (shortest, failure) = (shorter, same);
                else
                    start += length;
            }
        }

        StringBuilder text = new();
        text.AppendLine($"{failure}, in {arena}, after these {shortest.Length} steps:");
        foreach (Step step in shortest)
            text.AppendLine(step.ToString());

        return text.ToString();
    }
}
