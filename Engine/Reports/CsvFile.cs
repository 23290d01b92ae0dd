using System.Globalization;
using System.Text;
using SuperSlab.Diagnostics;

namespace SuperSlab.Reports;

/// <summary>
/// Writes a profile as CSV files for spreadsheets and scripts, one a table, in the format of RFC 4180: UTF-8, a comma between fields, a
/// heading, quotes where a field needs them. Numbers have no separators, sizes are bytes, times nanoseconds.
/// </summary>
public static class CsvFile
{
    /// <summary>Writes all tables, in place of files that are there. Not for the hot loop.</summary>
    /// <param name="document">The profile.</param>
    /// <param name="folder">Where the files go; made where it is not there.</param>
    /// <returns>The files' paths.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static IReadOnlyList<string> Write(ProfileDocument document, string folder)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Directory.CreateDirectory(folder);
        return
        [
            WriteFrames(document.Frames, Path.Combine(folder, "frames.csv")),
            WriteMemory(document.Memory, Path.Combine(folder, "memory.csv")),
            WriteTable(Path.Combine(folder, "hitches.csv"), "frame,nanoseconds,reason", document.Hitches,
                hitch => [hitch.Frame, hitch.Nanoseconds, hitch.Reason]),
            WriteTable(Path.Combine(folder, "arenas.csv"),
                "name,kind,superslabs,live_bytes,cached_bytes,peak_bytes,soft_budget,hard_budget,soft_overruns,hard_overruns", document.Arenas,
                arena => [arena.Name, arena.Kind, arena.SuperSlabs, arena.LiveBytes, arena.CachedBytes, arena.PeakBytes, arena.SoftBudget, arena.HardBudget,
                    arena.SoftOverruns, arena.HardOverruns]),
            WriteTable(Path.Combine(folder, "classes.csv"), "arena,block_bytes,live,free,cached,waste_bytes", document.Classes,
                size => [size.Arena, size.BlockBytes, size.Live, size.Free, size.Cached, size.WasteBytes]),
            WriteTable(Path.Combine(folder, "superslabs.csv"), "index,state,pages,arena,used_bytes", document.SuperSlabs,
                superSlab => [superSlab.Index, superSlab.State, superSlab.Pages, superSlab.Arena, superSlab.UsedBytes]),
            WriteTable(Path.Combine(folder, "lanes.csv"), "arena,lane,capacity_bytes,used_bytes,high_water_bytes", document.Lanes,
                lane => [lane.Arena, lane.Lane, lane.CapacityBytes, lane.UsedBytes, lane.HighWaterBytes]),
            WriteTable(Path.Combine(folder, "thread-caches.csv"), "arena,slot,thread,blocks,bytes", document.ThreadCaches,
                cache => [cache.Arena, cache.Slot, cache.Thread, cache.Blocks, cache.Bytes]),
            WriteTable(Path.Combine(folder, "tags.csv"), "name,budget_bytes,live_bytes,peak_bytes,allocations,frees", document.Tags,
                tag => [tag.Name, tag.BudgetBytes, tag.LiveBytes, tag.PeakBytes, tag.Allocations, tag.Frees]),
            WriteTable(Path.Combine(folder, "faults.csv"), "kind,name,count,call_site", document.Faults.Owners,
                owner => [owner.Kind, owner.Name, owner.Count, owner.CallSite]),
            WriteTable(Path.Combine(folder, "frame-faults.csv"), "frame,kind,name,count", document.Faults.Frames,
                faults => [faults.Frame, faults.Kind, faults.Name, faults.Count]),
            WriteTable(Path.Combine(folder, "events.csv"), "track,name,start,nanoseconds", document.Events,
                span => [span.Track, span.Name, span.Start, span.Nanoseconds]),
        ];
    }

    private static string WriteFrames(ProfileFrames frames, string path) => WriteTable(
        path, "frame,start,nanoseconds,allocations,allocated_bytes,page_faults,overflows,managed_bytes,collections",
        Enumerable.Range(0, frames.Nanoseconds.Count),
        index => [frames.First + index, frames.Starts[index], frames.Nanoseconds[index], At(frames.Allocations, index), At(frames.AllocatedBytes, index),
            At(frames.PageFaults, index), At(frames.Overflows, index), At(frames.ManagedBytes, index), At(frames.Collections, index)]);

    private static string WriteMemory(ProfileSeries memory, string path)
    {
        ProfileCurve[] curves = [.. memory.Arenas, .. memory.Tags];
        IEnumerable<string> names = [.. memory.Arenas.Select(curve => "arena " + curve.Name), .. memory.Tags.Select(curve => "tag " + curve.Name)];
        return WriteTable(
            path, string.Join(',', names.Prepend("nanoseconds").Select(Quoted)), Enumerable.Range(0, memory.Times.Count),
            index => [memory.Times[index], .. curves.Select(curve => (object)curve.Values[index])]);
    }

    /// <summary>What was not counted has an empty field.</summary>
    private static object At(IReadOnlyList<long> column, int index) => index < column.Count ? column[index] : "";

    private static string WriteTable<T>(string path, string heading, IEnumerable<T> rows, Func<T, object[]> fields)
    {
        using StreamWriter writer = new(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { NewLine = "\r\n" };
        writer.WriteLine(heading);
        foreach (T row in rows)
            writer.WriteLine(string.Join(',', fields(row).Select(field => Quoted(Convert.ToString(field, CultureInfo.InvariantCulture) ?? ""))));

        return path;
    }

    private static string Quoted(string field) =>
        field.AsSpan().IndexOfAny("\",\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
