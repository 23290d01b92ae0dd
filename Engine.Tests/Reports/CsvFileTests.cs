using System.Globalization;
using Engine.Tests.Reports.Support;
using Microsoft.VisualBasic.FileIO;

namespace Engine.Tests.Reports;

/// <summary>The CSV files read back by another parser than ours.</summary>
internal sealed class CsvFileTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Path.Combine(Path.GetTempPath(), $"engine-csv-{Guid.NewGuid():n}");

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Every_table_has_its_rows_and_every_row_its_fields()
    {
        ProfileDocument profile = SampleProfile.Create(frames: 300, SampleProfile.HostileName);
        IReadOnlyList<string> files = CsvFile.Write(profile, _folder);
        Assert.That(files.Select(file => (Path.GetFileName(file), Rows(file).Count - 1)), Is.EquivalentTo(new[]
        {
            ("frames.csv", 300), ("memory.csv", 15), ("hitches.csv", profile.Hitches.Count), ("arenas.csv", 3),
                ("notes.csv", 2), ("disposed-arenas.csv", 2),
                ("classes.csv", 14), ("superslabs.csv", 600),
            ("lanes.csv", 8), ("thread-caches.csv", 8), ("tags.csv", 3), ("faults.csv", 3),
                ("call-sites.csv", profile.CallSites.Sites.Count),
                ("call-stacks.csv", profile.CallSites.Stacks.Count),
                ("frame-faults.csv", profile.Faults.Frames.Count), ("events.csv", 3),
        }));
        foreach (string file in files)
        {
            List<string[]> rows = Rows(file);
            Assert.That(rows.Select(row => row.Length), Is.All.EqualTo(rows[0].Length), file);
        }
    }

    [TestCase(
        "frames",
        "frame,start,nanoseconds,allocations,allocated_bytes,page_faults,overflows,managed_bytes,collections")]
    [TestCase("hitches", "frame,nanoseconds,reason")]
    [TestCase("notes", "frame,nanoseconds,text")]
    [TestCase("disposed-arenas", "name,kind,count,peak_bytes")]
    [TestCase(
        "arenas",
        "name,kind,superslabs,live_bytes,cached_bytes,absent_bytes,peak_bytes,soft_budget,hard_budget,"
        + "soft_overruns,hard_overruns")]
    [TestCase("classes", "arena,block_bytes,live,free,cached,waste_bytes")]
    [TestCase("superslabs", "index,state,pages,arena,used_bytes")]
    [TestCase("lanes", "arena,lane,capacity_bytes,used_bytes,high_water_bytes")]
    [TestCase("thread-caches", "arena,slot,thread,blocks,bytes")]
    [TestCase("tags", "name,allocated_bytes,freed_bytes,allocations,frees,live_estimate,live_deviation")]
    [TestCase(
        "call-sites",
        "site,live_bytes,live_deviation,live_samples,allocated_bytes,allocated_deviation,samples")]
    [TestCase(
        "call-stacks",
        "stack,tag,live_bytes,live_deviation,live_samples,allocated_bytes,allocated_deviation,samples")]
    [TestCase("faults", "kind,name,count,call_site")]
    [TestCase("frame-faults", "frame,kind,name,count")]
    [TestCase("events", "track,name,start,nanoseconds")]
    public void Headings_are_what_scripts_rely_on(string table, string heading)
    {
        CsvFile.Write(SampleProfile.Create(frames: 3), _folder);
        Assert.That(File.ReadLines(Path.Combine(_folder, table + ".csv")).First(), Is.EqualTo(heading));
    }

    [Test]
    public void Values_and_names_come_back_as_they_were()
    {
        ProfileDocument profile = SampleProfile.Create(frames: 300, SampleProfile.HostileName);
        CsvFile.Write(profile, _folder);
        List<string[]> frames = Rows(Path.Combine(_folder, "frames.csv"));
        Assert.That(frames.Skip(1).Select(row =>
            long.Parse(row[2], CultureInfo.InvariantCulture)), Is.EqualTo(profile.Frames.Nanoseconds));
        Assert.That(Rows(Path.Combine(_folder, "arenas.csv"))[1][0], Is.EqualTo(SampleProfile.HostileName));
        Assert.That(Rows(Path.Combine(_folder, "tags.csv"))[3][2], Is.EqualTo("4096"));
    }

    [Test]
    public void What_was_not_counted_is_empty_and_not_zero()
    {
        CsvFile.Write(
            SampleProfile.Empty with
            {
                Frames =
            new ProfileFrames
            {
                Count = 1,
                Columns = new Dictionary<string,
            long[]>
                { ["start"] = [0], ["nanoseconds"] = [5] }
            }
            }, _folder);
        Assert.That(string.Join('|', Rows(Path.Combine(_folder, "frames.csv"))[1]), Is.EqualTo("0|0|5||||||"));
    }

    private static List<string[]> Rows(string path)
    {
        using TextFieldParser parser =
            new(path) { Delimiters = [","], HasFieldsEnclosedInQuotes = true, TrimWhiteSpace = false };
        List<string[]> rows = [];
        while (parser.ReadFields() is { } fields)
            rows.Add(fields);

        return rows;
    }
}
