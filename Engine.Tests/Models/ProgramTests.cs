using System.Globalization;
using CsCheck;
using Engine.Arenas;
using Engine.Tests.Support;
using Size = Engine.Tests.Support.Size;

namespace Engine.Tests.Models;

/// <summary>
/// Random programs over the public surface against the model. A program that fails is made smaller before it is shown, with the seed that
/// repeats it. ENGINE_MODEL_PROGRAMS says how many are tried.
/// </summary>
internal sealed class ProgramTests
{
    private static readonly long s_programs =
        long.TryParse(Environment.GetEnvironmentVariable("ENGINE_MODEL_PROGRAMS"), NumberStyles.None, CultureInfo.InvariantCulture, out long programs) ? programs : 300;

    /// <summary>Small far more often than large, and often at the border of a power of two.</summary>
    private static readonly Gen<int> s_size = Gen.Select(Gen.Int[0, 22], Gen.Int[0, 1 << 22], Gen.Bool)
        .Select((bits, any, isBorder) => isBorder ? Math.Max(0, (1 << bits) - 1 + (any % 3)) : any % (1 << bits));

    private static readonly Gen<OperationKind> s_kind = Gen.Frequency(
        (12, Gen.Int[(int)OperationKind.Allocate, (int)OperationKind.Reallocate]),
        (8, Gen.Int[(int)OperationKind.Free, (int)OperationKind.FreeMany]),
        (6, Gen.Int[(int)OperationKind.Bump, (int)OperationKind.TrimFrame]),
        (2, Gen.Int[(int)OperationKind.TrimArena, (int)OperationKind.TrimMemory])).Select(kind => (OperationKind)kind);

    private static readonly Gen<Operation> s_operation = Gen.Select(s_kind, Gen.Int[0, 2], Gen.Int[0, 1000], s_size)
        .Select((kind, actor, which, size) => new Operation(kind, actor, which, size));

    [Test]
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
    public void Programs_of_several_threads_on_one_arena_do_what_their_models_do()
    {
        Gen.Select(s_operation.Array[1, 60], s_operation.Array[1, 60], s_operation.Array[1, 60]).Sample(
            programs =>
            {
                Operation[][] ofThreads = [programs.Item1, programs.Item2, programs.Item3];
                using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(512) });
                using LongLivedArena arena = memory.CreateLongLivedArena("shared");
                ConcurrentRun run = new(arena, ofThreads.Length);
                Workers.Run(ofThreads.Length, thread => run.Do(thread, ofThreads[thread]));
                run.End();
                memory.Validate();
            },
            iter: s_programs / 4,
            threads: 1);
    }
}
