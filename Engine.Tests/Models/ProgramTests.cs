using System.Globalization;
using CsCheck;
using Engine.Tests.Support;
using Size = Engine.Tests.Support.Size;

namespace Engine.Tests.Models;

/// <summary>
/// Random programs over the public surface against the model. A program that fails is made smaller before it is shown,
/// with the seed that repeats it. ENGINE_MODEL_PROGRAMS says how many are tried, ENGINE_MODEL_OPERATIONS how long the
/// long run of several threads is, and ENGINE_MODEL_WITHOUT which kinds of operations are left out.
/// </summary>
internal sealed class ProgramTests
{
    private static readonly long s_programs = NumberOf("ENGINE_MODEL_PROGRAMS", 300);
    private static readonly long s_operations = NumberOf("ENGINE_MODEL_OPERATIONS", 60_000);
    private static readonly string[] s_without =
        (Environment.GetEnvironmentVariable("ENGINE_MODEL_WITHOUT") ?? "").Split(',');

    /// <summary>How often each kind comes, in a thousand or so. A prewarm that the reservation has no room for
    /// prefaults most of it first.</summary>
    private static readonly OperationKind[] s_kinds = Repeated(
        (80, [OperationKind.Allocate, OperationKind.AllocateByHandle, OperationKind.AllocateAligned,
            OperationKind.AllocateZeroed, OperationKind.Reallocate]),
        (80, [OperationKind.Free, OperationKind.FreeByHandle, OperationKind.FreeMany]),
        (30, [OperationKind.Bump, OperationKind.BumpAligned, OperationKind.BeginScope, OperationKind.EndScope]),
        (30, [OperationKind.TakeMark, OperationKind.RewindToMark]),
        (8, [OperationKind.NextFrame, OperationKind.TrimFrame]),
        (9, [OperationKind.TrimArena, OperationKind.ResetArena, OperationKind.NewArena, OperationKind.LoadScene,
            OperationKind.UnloadScene, OperationKind.EndThread]),
        (9, [OperationKind.TrimMemory, OperationKind.GrowExtent, OperationKind.Prewarm,
            OperationKind.PrewarmOverBudget, OperationKind.PrewarmRefused]),
        (6, [OperationKind.FillBudget, OperationKind.ChangeBudget, OperationKind.DisposeArena,
            OperationKind.DisposeFrames]),
        (2, [OperationKind.PlayPlan, OperationKind.PlayOverPlan, OperationKind.Snapshot]),
        (1, [OperationKind.PrewarmOverReservation]));

    /// <summary>The same for threads that run at once, in which frames, resets and the like have no place.</summary>
    private static readonly OperationKind[] s_concurrentKinds = Repeated(
        (80, [OperationKind.Allocate, OperationKind.Reallocate, OperationKind.Free]),
        (8, [OperationKind.FreeMany, OperationKind.GrowExtent]),
        (2, [OperationKind.Prewarm, OperationKind.PrewarmOverBudget, OperationKind.ChangeBudget,
            OperationKind.TrimMemory, OperationKind.Snapshot, OperationKind.DisposeArena,
            OperationKind.DisposeFrames]));

    /// <summary>Threads that make extents larger and nothing much besides: what moves gives its old place to somebody
    /// else.</summary>
    private static readonly OperationKind[] s_growingKinds = Repeated(
        (8, [OperationKind.GrowExtent]),
        (2, [OperationKind.Free, OperationKind.FreeMany, OperationKind.Allocate]),
        (1, [OperationKind.TrimMemory, OperationKind.ChangeBudget]));

    /// <summary>Small far more often than large, and often at the border of a power of two.</summary>
    private static readonly Gen<int> s_size = Gen.Select(Gen.Int[0, 22], Gen.Int[0, 1 << 22], Gen.Bool)
        .Select((bits, any, isBorder) => isBorder ? Math.Max(0, (1 << bits) - 1 + (any % 3)) : any % (1 << bits));

    private static readonly Gen<Operation> s_operation = OperationOf(s_kinds);

    private static readonly Gen<Operation> s_concurrentOperation = OperationOf(s_concurrentKinds);

    [Test]
    [Category(Lane.Slow)]
    public void A_program_does_what_the_model_does()
    {
        long operations = 0;
        s_operation.Array[1, 120].Sample(
            program =>
            {
                operations += program.Length;
                ProgramRun.Run(program);
            },
            iter: s_programs,
            threads: 1);
        TestContext.Out.WriteLine($"{s_programs:N0} programs, {operations:N0} operations");
    }

    [Test]
    [Category(Lane.Slow)]
    public void Programs_of_several_threads_on_one_arena_do_what_their_models_do()
    {
        Gen.Select(
            s_concurrentOperation.Array[1, 60], s_concurrentOperation.Array[1, 60],
            s_concurrentOperation.Array[1, 60]).Sample(
            programs =>
            {
                Operation[][] ofThreads = [programs.Item1, programs.Item2, programs.Item3];
                using ConcurrentRun run = new(ofThreads.Length);
                Workers.Run(ofThreads.Length, thread => run.Do(thread, ofThreads[thread]));
                run.End();
            },
            iter: s_programs / 4,
            threads: 1);
    }

    /// <summary>One memory for long: in rounds, after each of which everything is looked at while the threads, new ones
    /// each time, stand still.</summary>
    [Test]
    [Category(Lane.Slow)]
    public void Threads_that_grow_prewarm_trim_and_dispose_at_once_keep_every_block_whole()
    {
        const int Threads = 4;
        const int OfRound = 3_000;
        int seed = TestRandom.Seed();
        using ConcurrentRun run = new(Threads);
        for (int round = 0; run.Operations < s_operations; round++)
        {
            Workers.Run(Threads, thread =>
                run.Do(thread, Program(new Random(seed + (round * Threads) + thread), s_concurrentKinds, OfRound)));
            run.Check();
            Workers.Run(Threads, thread =>
                run.Do(thread, Program(new Random(seed + (round * Threads) + thread), s_growingKinds, OfRound / 10)));
            run.Check();
        }

        run.End();
        TestContext.Out.WriteLine($"{run.Operations:N0} operations, {run.Refusals:N0} of which a budget refused");
    }

    private static IEnumerable<Operation> Program(Random random, OperationKind[] kinds, int count)
    {
        for (; count > 0; count--)
        {
            int size = random.Next(3) == 0 ? Math.Max(0, (1 << random.Next(20)) - 1 + random.Next(3))
                : random.Next(1 << random.Next(20));
            yield return new Operation(kinds[random.Next(kinds.Length)], random.Next(1000), random.Next(1000), size);
        }
    }

    private static Gen<Operation> OperationOf(OperationKind[] kinds) =>
        Gen.Select(Gen.Int[0, kinds.Length - 1], Gen.Int[0, 2], Gen.Int[0, 1000], s_size)
            .Select((kind, actor, which, size) => new Operation(kinds[kind], actor, which, size));

    private static OperationKind[] Repeated(params (int Times, OperationKind[] Kinds)[] groups) =>
        [.. groups.SelectMany(group => group.Kinds.Where(kind =>
            !s_without.Contains(kind.ToString())).SelectMany(kind => Enumerable.Repeat(kind, group.Times)))];

    private static long NumberOf(string variable, long otherwise) =>
        long.TryParse(
            Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture,
            out long given) ? given : otherwise;
}
