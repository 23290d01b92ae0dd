using Samples.Common;
using Samples.GameReplay.Contestants;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Touching;
using Samples.GameReplay.Tracing;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.GameReplay.Rows;

/// <summary>
/// Chooses the compiled form of <see cref="RowRun{TContestant, TLane, TTouch}"/> for a row. Written out, so that ahead-of-time
/// compilation sees every one.
/// </summary>
internal static class RowRuns
{
    /// <summary>Measures the row in this process.</summary>
    /// <param name="row">Which.</param>
    /// <param name="trace">What is replayed.</param>
    /// <param name="profile">What the first pass learned of it.</param>
    /// <param name="plan">The plan of a prewarmed row; null takes the one that the profile makes.</param>
    /// <param name="touch">What is written into blocks.</param>
    /// <param name="profileFolder">Where the profile of an engine row is written to; null makes none.</param>
    /// <exception cref="RunFailedException">The allocator could not do it, or a block was not what it should be.</exception>
    public static RowMeasurement Measure(RowSpec row, TraceFile trace, TraceProfile profile, ScenePlan? plan, TouchMode touch, string? profileFolder = null)
    {
        return row.Allocator switch
        {
            AllocatorKind.Engine => Measure<EngineContestant, EngineLane>(row, trace, profile, plan, touch, profileFolder),
            AllocatorKind.Malloc => Measure<MallocContestant, MallocLane>(row, trace, profile, plan, touch, profileFolder),
            _ => Measure<GcContestant, GcLane>(row, trace, profile, plan, touch, profileFolder),
        };
    }

    /// <summary>The same for a contestant of another program; of the row only the warmth counts.</summary>
    public static RowMeasurement Measure<TContestant, TLane>(RowSpec row, TraceFile trace, TraceProfile profile, ScenePlan? plan, TouchMode touch, string? profileFolder = null)
        where TContestant : class, IContestant<TContestant, TLane>
        where TLane : ILane, allows ref struct
    {
        bool recordsFaults = PageFaultRecorder.IsAvailable(out _);
        try
        {
            return touch switch
            {
                TouchMode.First => RowRun<TContestant, TLane, TouchFirst>.Measure(row, trace, profile, plan, recordsFaults, profileFolder),
                TouchMode.Pages => RowRun<TContestant, TLane, TouchPages>.Measure(row, trace, profile, plan, recordsFaults, profileFolder),
                TouchMode.All => RowRun<TContestant, TLane, TouchAll>.Measure(row, trace, profile, plan, recordsFaults, profileFolder),
                _ => RowRun<TContestant, TLane, TouchVerify>.Measure(row, trace, profile, plan, recordsFaults, profileFolder),
            };
        }
        catch (OutOfMemoryException error)
        {
            throw new RunFailedException($"{row.Title}: out of memory: {error.Message}", error);
        }
        catch (Exception error) when (error is ArgumentException or ArithmeticException or EngineMemoryException)
        {
            throw new RunFailedException($"{row.Title}: the allocator cannot serve this trace: {error.Message}", error);
        }
        catch (RunFailedException error)
        {
            throw new RunFailedException($"{row.Title}: {error.Message}", error);
        }
    }
}
