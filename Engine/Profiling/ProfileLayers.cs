using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Core;

namespace Engine.Profiling;

/// <summary>A snapshot as the rows of a document: names instead of numbers, in managed memory.</summary>
internal static class ProfileLayers
{
    private const string NoTag = "(no tag)";

    /// <summary>Takes a snapshot and makes a document of it, without frames, and without what only the application knows.</summary>
    public static ProfileDocument Read(EngineMemory memory, ReadOnlySpan<long> tagPeaks)
    {
        MemorySnapshot snapshot = new SnapshotRoom().Take(memory, asksSystem: true);
        Dictionary<int, string> arenas = [];
        HashSet<int> frames = [];
        foreach (ref readonly SnapshotArena arena in snapshot.Arenas)
        {
            arenas[arena.Number] = arena.Name.ToString();
            if (arena.IsFrame)
            {
                frames.Add(arena.Number);
            }
        }

        SnapshotTotals totals = snapshot.Totals;
        return new ProfileDocument
        {
            Application = "",
            Machine = Machine(),
            Began = default,
            Nanoseconds = 0,
            HasCounters = CounterSwitch.IsOn,
            Reservation = new ProfileReservation(
                (ulong)totals.Base, totals.MappedBytes, totals.ResidentBytes, totals.OwnedSuperSlabs, totals.ReadySuperSlabs, totals.MetadataBytes, totals.OsCalls, totals.PrefaultNanoseconds),
            Policies = [.. memory.Prefaulter.Steps().Select(step => new ProfilePolicy(step.Name, step.Outcome, step.Reason))],
            Arenas = Map(snapshot.Arenas, arena => new ProfileArena(
                arena.Name.ToString(), arena.IsFrame ? "frame" : "long-lived", arena.SuperSlabs, arena.LiveBytes, arena.CachedBytes, arena.PeakBytes, arena.SoftBudget, arena.HardBudget, arena.SoftOverruns, arena.HardOverruns)),
            SuperSlabs = Map(snapshot.SuperSlabs, superSlab => new ProfileSuperSlab(
                superSlab.Index, StateOf(superSlab.State), superSlab.Pages.ToString(), NameOf(arenas, superSlab.Arena), superSlab.UsedBytes, SlabsOf(superSlab, frames))),
            Classes = Map(snapshot.Classes, row => new ProfileClass(NameOf(arenas, row.Arena), row.BlockBytes, row.Live, row.Free, row.Cached, row.WasteBytes)),
            Lanes = Map(snapshot.Lanes, lane => new ProfileLane(NameOf(arenas, lane.Arena), lane.Lane, lane.CapacityBytes, lane.UsedBytes, lane.HighWaterBytes)),
            ThreadCaches = Map(snapshot.ThreadCaches, cache => new ProfileThreadCache(NameOf(arenas, cache.Arena), cache.Slot, ThreadOf(cache), cache.Blocks, cache.Bytes)),
            Tags = TagsOf(snapshot.Tags, tagPeaks),
        };
    }

    private static TResult[] Map<TRow, TResult>(ReadOnlySpan<TRow> rows, Func<TRow, TResult> map)
    {
        TResult[] results = new TResult[rows.Length];
        for (int row = 0; row < rows.Length; row++)
        {
            results[row] = map(rows[row]);
        }

        return results;
    }

    private static ProfileTag[] TagsOf(ReadOnlySpan<SnapshotTag> tags, ReadOnlySpan<long> peaks)
    {
        ProfileTag[] rows = new ProfileTag[tags.Length];
        for (int row = 0; row < tags.Length; row++)
        {
            SnapshotTag tag = tags[row];
            string name = tag.Number == 0 ? NoTag : tag.Name.ToString();
            rows[row] = new ProfileTag(name, tag.BudgetBytes, tag.LiveBytes, Math.Max(peaks[tag.Number], tag.LiveBytes), tag.Allocations, tag.Frees);
        }

        return rows;
    }

    /// <summary>A snapshot of running threads may have rows of an arena that is gone already.</summary>
    private static string NameOf(Dictionary<int, string> arenas, int number) => arenas.GetValueOrDefault(number, "");

    private static string StateOf(SnapshotState state) => state switch
    {
        SnapshotState.Ready => "ready",
        SnapshotState.Owned => "owned",
        SnapshotState.Extent => "extent",
        _ => "free",
    };

    private static ulong[] SlabsOf(SnapshotSuperSlab superSlab, HashSet<int> frames)
    {
        if (superSlab.State != SnapshotState.Owned || frames.Contains(superSlab.Arena))
        {
            return [];
        }

        ulong[] slabs = new ulong[SnapshotSuperSlab.SlabCount];
        for (int slab = 0; slab < slabs.Length; slab++)
        {
            slabs[slab] = superSlab.BlockBytesOf(slab);
        }

        return slabs;
    }

    private static string ThreadOf(SnapshotThreadCache cache)
    {
        string name = cache.Thread.ToString();
        name = name.Length != 0 ? name : string.Create(CultureInfo.InvariantCulture, $"thread {cache.ManagedThreadId}");
        return cache.HasEnded ? name + " (ended)" : name;
    }

    private static string Machine() => string.Create(
        CultureInfo.InvariantCulture,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} processors, "
        + $"{RuntimeInformation.FrameworkDescription}, {(RuntimeFeature.IsDynamicCodeCompiled ? "JIT" : "compiled ahead of time")}");
}
