using System.Diagnostics;
using Samples.Common;
using Samples.RandomMixed.Contestants;

namespace Samples.RandomMixed.Rows;

/// <summary>
/// Runs the loop and measures it. "Prewarmed" is, for every allocator alike, that the identical loop was run once before; the
/// engine was moreover loaded with a scene plan before that, so that already this first loop finds all its memory. In the matrix the
/// first loop is the one that is measured.
/// </summary>
internal static class RowRun
{
    /// <summary>
    /// The work that only has the code compiled, where the allocator is the one to be measured: so small that it leaves nothing behind.
    /// </summary>
    public static readonly MixedWork LittleWork = new(20_000, 64, 1);

    /// <summary>Runs the loop and all around it, so that all code is compiled before something is measured.</summary>
    public static void Compile<TBlocks>(ref TBlocks blocks, MixedWork work, SampleProfile? profile = null)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        var meter = new LoopMeter(null, null, profile);
        for (int round = 0; round < 2; round++)
        {
            _ = meter.Measure(ref blocks, work);
            _ = MixedLoop.Checksum(ref blocks, work.WorkingSet);
            MixedLoop.Clear(ref blocks, work.WorkingSet);
        }
    }

    /// <summary>Measures a row on blocks that nobody has used.</summary>
    public static Measurement Measure<TBlocks>(ref TBlocks blocks, RowSpec row, MixedWork work, LoopMeter meter)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        long rehearsalFaults = 0;
        if (row is { IsPrewarmed: true, IsOfMatrix: false })
        {
            rehearsalFaults = meter.Measure(ref blocks, work, isRehearsal: true).PageFaults;
            MixedLoop.Clear(ref blocks, work.WorkingSet);
        }

        LoopFigures figures = meter.Measure(ref blocks, work);
        return new Measurement
        {
            Run = new RunDocument
            {
                Allocator = row.AllocatorName,
                Prewarmed = row.IsPrewarmed,
                Prefault = meter.DescribePrefault(),
                Operations = work.Operations,
                WorkingSet = work.WorkingSet,
                Seed = work.Seed,
                OperationsPerSecond = (long)(work.Operations / ((double)Math.Max(figures.Ticks, 1) / Stopwatch.Frequency)),
                PageFaultsInLoop = figures.PageFaults,
                ManagedBytesInLoop = figures.ManagedBytes,
                CollectionsInLoop = figures.Collections,
                EngineMemory = meter.DescribeEngine(row, figures),
            },
            PageFaultsInRehearsal = rehearsalFaults,
            Checksum = MixedLoop.Checksum(ref blocks, work.WorkingSet),
        };
    }
}
