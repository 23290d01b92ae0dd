using System.Diagnostics;
using Samples.Common;
using Samples.RandomMixed.Contestants;
using SuperSlab.Diagnostics;
using SuperSlab;

namespace Samples.RandomMixed.Rows;

/// <summary>Runs the loop and counts what happens in it.</summary>
/// <param name="memory">The engine's memory, in its rows.</param>
/// <param name="recorder">Tells the page faults that interrupt the loop from those that are made on request, where that is wanted.</param>
/// <param name="faults">Names the owners of the page faults, where that is wanted.</param>
/// <param name="profile">Profiles the measured loop, where that is wanted.</param>
internal sealed class LoopMeter(EngineMemory? memory, PageFaultRecorder? recorder, FaultAttribution? faults = null, SampleProfile? profile = null)
{
    private const int SuperSlabShift = 21;
    private const ulong FrameOperations = 1000;

    /// <summary>Runs the loop once.</summary>
    /// <param name="blocks">On what.</param>
    /// <param name="work">How long.</param>
    /// <param name="isRehearsal">Whether the loop is not the one that counts, so that it is not profiled.</param>
    public LoopFigures Measure<TBlocks>(ref TBlocks blocks, MixedWork work, bool isRehearsal = false)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        int collections = GC.CollectionCount(0);
        long managed = GC.GetAllocatedBytesForCurrentThread();
        long osCalls = memory?.OsCalls ?? 0;
        long interruptions = recorder?.Count ?? 0;
        long pageFaults = PageFaults.OfThread();
        recorder?.Start();
        long start = Stopwatch.GetTimestamp();
        if (profile is null || isRehearsal)
        {
            MixedLoop.Run(ref blocks, work.Operations, work.WorkingSet, work.Seed);
        }
        else
        {
            RunFrames(profile, ref blocks, work);
        }

        long ticks = Stopwatch.GetTimestamp() - start;
        recorder?.Stop();
        return new LoopFigures(
            ticks,
            PageFaults.OfThread() - pageFaults,
            GC.GetAllocatedBytesForCurrentThread() - managed,
            GC.CollectionCount(0) - collections,
            (memory?.OsCalls ?? 0) - osCalls,
            recorder?.Count - interruptions);
    }

    /// <summary>The same, with the owners of the page faults where they are wanted.</summary>
    public LoopFigures MeasureObserved<TBlocks>(ref TBlocks blocks, MixedWork work)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        if (profile is not null)
        {
            return Measure(ref blocks, work); // it observes this thread already, and takes pieces of the loop for frames
        }

        using ObservedThread? thread = faults?.ObserveThisThread("loop");
        faults?.BeginFrame(0);
        LoopFigures figures = Measure(ref blocks, work);
        faults?.EndFrame();
        return figures;
    }

    /// <summary>The page faults by owner; null where they were not wanted.</summary>
    public ProfileFaults? CollectFaults() => faults?.Collect();

    /// <summary>The same work, in pieces that the profile takes for frames.</summary>
    private static void RunFrames<TBlocks>(SampleProfile profile, ref TBlocks blocks, MixedWork work)
        where TBlocks : IMixedBlocks, allows ref struct
    {
        uint random = work.Seed;
        for (ulong done = 0; done < work.Operations; done += FrameOperations)
        {
            profile.BeginFrame();
            random = MixedLoop.Run(ref blocks, Math.Min(FrameOperations, work.Operations - done), work.WorkingSet, random);
            profile.EndFrame();
        }
    }

    /// <summary>How the engine's pages came, after the loop; "none" where there is no engine.</summary>
    public string DescribePrefault() => memory?.PrefaultDescription ?? "none";

    /// <summary>What the engine has to tell of the loop; null where there is no engine.</summary>
    public EngineFigures? DescribeEngine(RowSpec row, LoopFigures figures) => memory is null ? null : new EngineFigures
    {
        Policy = EnumNames<PrefaultPolicy>.Of(row.Prefault),
        Pages = EnumNames<PageKind>.Of(row.Pages),
        OsCallsInLoop = figures.OsCalls,
        InterruptionsInLoop = figures.Interruptions,
        FaultsLeft = FaultsLeft(memory),
    };

    // SuperSlabs are handed out from the lowest address up, and there is one arena.
    private static long? FaultsLeft(EngineMemory memory)
    {
        nuint bytes = (nuint)memory.OwnedSuperSlabCount << SuperSlabShift;
        long pages = bytes == 0 ? 0 : memory.PagesThatWouldFault(memory.ReservationBase, bytes);
        return pages < 0 ? null : pages;
    }
}
