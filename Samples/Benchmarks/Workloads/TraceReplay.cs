using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Tracing;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// One recorded game, replayed by the sample GameReplay in this process, or written as a script for the native driver. The workloads of
/// one game are figures of one replay, so they share this.
/// </summary>
internal sealed class TraceReplay(string game)
{
    private readonly Dictionary<string, RunDocument> _runs = [];

    /// <summary>The trace's name.</summary>
    public string Game => game;

    /// <summary>Replays the game, unless that was done already.</summary>
    /// <exception cref="RunFailedException">The allocator could not do it.</exception>
    public RunDocument Run(string contestant)
    {
        if (!_runs.TryGetValue(contestant, out RunDocument? run))
        {
            TraceFile trace = TraceFile.Find(game);
            run = Replay(contestant, trace, TraceLearner.Learn(trace.Open(), trace.Name)).Run;
            _runs.Add(contestant, run);
        }

        return run;
    }

    /// <summary>Writes the script for the native driver, unless that was done already; <c>Native/replay.c</c> describes it.</summary>
    /// <returns>The file.</returns>
    public string Script(string folder)
    {
        string path = Path.Combine(folder, game + ".script");
        if (!File.Exists(path))
        {
            using FileStream file = File.Create(path);
            Write(file);
        }

        return path;
    }

    private static RowMeasurement Replay(string contestant, TraceFile trace, TraceProfile profile)
    {
        if (contestant == ContestantNames.HandleOnDemand)
        {
            // As a user would say it of a program that is there; this process has no other contestant.
            Environment.SetEnvironmentVariable("ENGINE_MEMORY_PREFAULT", "none");
            Environment.SetEnvironmentVariable("ENGINE_MEMORY_PAGES", "normal");
        }

        RowSpec row = contestant switch
        {
            ContestantNames.Handle => new RowSpec(AllocatorKind.Engine, IsPrewarmed: true),
            ContestantNames.HandleCold or ContestantNames.HandleOnDemand => new RowSpec(AllocatorKind.Engine, IsPrewarmed: false),
            ContestantNames.NativeMemory or ContestantNames.Null => new RowSpec(AllocatorKind.Malloc, IsPrewarmed: false),
            _ => throw new RunFailedException($"There is no contestant '{contestant}' in a replay."),
        };
        return contestant == ContestantNames.Null
            ? RowRuns.Measure<NullReplay, NullReplayLane>(row, trace, profile, plan: null, TouchMode.First)
            : RowRuns.Measure(row, trace, profile, plan: null, TouchMode.First);
    }

    private void Write(Stream file)
    {
        TraceFile trace = TraceFile.Find(game);
        TraceProfile profile = TraceLearner.Learn(trace.Open(), trace.Name);
        Write(file, (uint)profile.Threads);
        Write(file, (uint)profile.Slots);
        Write(file, (uint)profile.Frames);
        foreach (int capacity in profile.OperationCapacities)
        {
            Write(file, (uint)capacity);
        }

        using var reader = new TraceReader(trace.Open(), trace.Name, profile.Slots);
        var compiler = new StepCompiler(reader);
        var script = new StepScript(profile.OperationCapacities);
        while (compiler.TryCompile(script))
        {
            Write(file, (uint)script.Kind);
            for (int thread = 0; thread < profile.Threads; thread++)
            {
                Write(file, script.Operations(thread));
            }
        }
    }

    private static unsafe void Write(Stream file, OperationList operations)
    {
        Write(file, (uint)operations.Count);
        file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<Operation>(operations.First, operations.Count)));
    }

    private static void Write(Stream file, uint number) => file.Write(BitConverter.GetBytes(number));
}
