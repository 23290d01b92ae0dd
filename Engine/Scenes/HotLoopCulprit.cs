using System.Diagnostics.CodeAnalysis;
using Engine.Arenas;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Scenes;

/// <summary>Finds who broke a frame's rules, from what the threads kept. Cold: only for frames that broke one.</summary>
internal sealed class HotLoopCulprit(EngineMemory memory, GuardedThread[] threads, WatchedArenas watched, WatchedTags? tags)
{
    public HotLoopViolation Name(long frame, HotLoopKinds broken, HotLoopCounts counts)
    {
        FrameArena? overflown = watched.Overflown();
        LongLivedArena? overrun = watched.Overrun();
        HotLoopViolation unnamed = new() { Frame = frame, Broken = broken, Counts = counts, Culprit = "" };
        if (Find(static thread => thread.FirstDemand is not null, out GuardedThread? wanting))
        {
            return OfDemand(unnamed, wanting);
        }

        if (broken.HasFlag(HotLoopKinds.PageFaults) && Find(static thread => thread.LastFrame.PageFaults != 0, out GuardedThread? faulting))
        {
            return OfFaults(unnamed, faulting);
        }

        if (overflown is not null)
        {
            return unnamed with { Arena = overflown.Name, Culprit = $"a lane of frame arena '{overflown.Name}' needed more than its {Sizes.Text(overflown.LaneBytes)}" };
        }

        if (overrun is not null)
        {
            return unnamed with { Arena = overrun.Name, Culprit = $"arena '{overrun.Name}' went beyond its budget" };
        }

        if (broken.HasFlag(HotLoopKinds.TagOverrun) && tags is { Worst: { } tag })
        {
            return unnamed with { Tag = tag.Name, Culprit = $"tag '{tag.Name}' has {tags.WorstLiveBytes} live bytes, and its budget is {tag.BudgetBytes}" };
        }

        if (broken.HasFlag(HotLoopKinds.OsCalls) && Find(static thread => thread.LastFrame.OsCalls != 0, out GuardedThread? calling))
        {
            return unnamed with { Thread = calling.Name, Culprit = $"thread '{calling.Name}' made the engine ask the system for memory for its tables, or give some back" };
        }

        if (broken.HasFlag(HotLoopKinds.ManagedBytes) && Find(static thread => thread.LastFrame.ManagedBytes != 0, out GuardedThread? allocating))
        {
            return unnamed with { Thread = allocating.Name, Culprit = $"thread '{allocating.Name}' allocated {allocating.LastFrame.ManagedBytes} managed bytes" };
        }

        return unnamed with { Culprit = "garbage was collected" };
    }

    private bool Find(Predicate<GuardedThread> predicate, [NotNullWhen(true)] out GuardedThread? found)
    {
        found = Array.Find(threads, predicate);
        return found is not null;
    }

    private HotLoopViolation OfDemand(HotLoopViolation unnamed, GuardedThread thread)
    {
        Demand demand = thread.FirstDemand!.Value;
        string arena = memory.Arenas.NameOf(demand.OwnerTag);
        nuint block = demand.SizeClass == Demand.NoClass ? 0 : SizeClasses.BlockBytes(demand.SizeClass);
        string purpose = demand.SizeClass switch
        {
            Demand.NoClass => "for a frame, or ahead of use",
            SizeClasses.Huge => "for a block above 32 MiB",
            _ => $"for blocks of {block} bytes",
        };
        return unnamed with
        {
            Thread = thread.Name,
            Arena = arena,
            BlockBytes = block,
            FaultAddress = thread.FirstFault,
            CallStack = thread.DemandStack,
            Culprit = $"arena '{arena}' wanted {thread.DemandedSuperSlabs} SuperSlabs more than were ready, {purpose}, on thread '{thread.Name}'",
        };
    }

    private HotLoopViolation OfFaults(HotLoopViolation unnamed, GuardedThread thread)
    {
        string faults = $"thread '{thread.Name}' took {thread.LastFrame.PageFaults} page faults";
        if (thread.FirstFault == 0)
        {
            return unnamed with { Thread = thread.Name, Culprit = $"{faults}, at addresses that the system does not tell" };
        }

        string owner = memory.OwnerOf((nint)thread.FirstFault, out string? arena) ?? "memory outside the engine";
        string range = thread.LowestFault == thread.HighestFault
            ? $"at 0x{thread.FirstFault:x}"
            : $"between 0x{thread.LowestFault:x} and 0x{thread.HighestFault:x}, the first at 0x{thread.FirstFault:x}";
        return unnamed with { Thread = thread.Name, Arena = arena, FaultAddress = thread.FirstFault, Culprit = $"{faults} {range}, in {owner}" };
    }
}
