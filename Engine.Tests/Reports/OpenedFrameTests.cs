using System.Globalization;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;
using OpenQA.Selenium;

namespace Engine.Tests.Reports;

/// <summary>
/// What the page tells when it is asked: a frame, a range of frames, a search, a link, a file. Each number is
/// recomputed here from the profile's raw columns.
/// </summary>
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed class OpenedFrameTests
{
    private static readonly ProfileDocument s_profile = SampleProfile.Create(frames: 2000);

    private string _folder = "";

    private string Report => Path.Combine(_folder, "report.html");

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("engine-opened-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_frame_that_is_opened_shows_its_counts_beside_the_medians_its_faults_and_its_reason()
    {
        using Browser browser = Open(s_profile);
        Focus(browser, "#frames .plot[role=slider]");
        browser.Press(Keys.Home, Keys.PageDown, Keys.Enter);
        string frame = browser.Find("#frame").Text;
        ProfileFrames frames = s_profile.Frames;
        Assert.Multiple(() =>
        {
            Assert.That(browser.Find("#frame h3").Text, Is.EqualTo("Frame 500"));
            Assert.That(Fact(browser, "#frame", "Time"), Is.EqualTo(
                $"{PageText.Time(frames.Nanoseconds[500])} median {PageText.Time(Median(frames, "nanoseconds"))}"));
            Assert.That(Fact(browser, "#frame", "Allocations"), Is.EqualTo(
                $"{PageText.Count(frames["allocations"][500])} median "
                + PageText.Count(Median(frames, "allocations"))));
            Assert.That(Fact(browser, "#frame", "Allocated bytes"), Is.EqualTo(
                $"{PageText.Bytes(frames["allocated_bytes"][500])} median "
                + PageText.Bytes(Median(frames, "allocated_bytes"))));
            Assert.That(Fact(browser, "#frame", "Page faults"), Is.EqualTo("3 median 0"));
            Assert.That(Fact(browser, "#frame", "Began"), Does.StartWith(
                PageText.Moment(frames.Starts[500], frames.Nanoseconds[500] / 10.0) + " after"));
            Assert.That(frame, Does.Contain("hitch: 3 page faults in world"));
            Assert.That(frame, Does.Contain("SuperSlab payload").And.Contains("world, blocks of 64 B"));
            Assert.That(frame, Does.Contain("No span and no moment lies in its time."));
            Assert.That(browser.Console(), Is.Empty);
        });

        browser.Press(Keys.ArrowRight);
        Assert.That(browser.Find("#frame h3").Text, Is.EqualTo("Frame 501"), "arrows go on");
        browser.Press(Keys.Escape);
        Assert.That(browser.Find("#frame").Displayed, Is.False);
        Assert.That(
            browser.Evaluate<bool>("return document.activeElement.matches('#frames .plot[role=slider]')"),
            "the chart has the focus again");
    }

    [Test]
    public void A_frame_shows_the_spans_in_its_time_and_what_memorys_samples_around_it_tell()
    {
        // The loads of the profile are in the first frames' time; memory is sampled every twentieth frame.
        using Browser browser = Open(s_profile, "#frame=3");
        ProfileSeries memory = s_profile.Memory;
        long start = s_profile.Frames.Starts[3];
        string[] spans = Rows(browser, "#frame", "events of frame 3");
        Assert.That(spans, Is.EqualTo(new[]
        {
            $"loads|load world|−{PageText.Time(start)}|{PageText.Time(90_000_000)}",
            $"loads|load caves|−{PageText.Time(start - 40_000_000)}|{PageText.Time(120_000_000)}",
        }));
        string[] rows = Rows(browser, "#frame", "memory around frame 3");
        Assert.That(rows, Has.Length.EqualTo(5));
        Assert.That(rows[0], Is.EqualTo(
            $"arena|world|{PageText.Bytes(memory.Arenas[0].Values[1])}|{Change(memory.Arenas[0].Values)}"));
        Assert.That(rows[4], Is.EqualTo(
            $"tag|physics|{PageText.Bytes(memory.AllocatedByTag[1].Values[1])}|"
            + Change(memory.AllocatedByTag[1].Values)));
        Assert.That(browser.Find("#frame").Text, Does.Contain(
            $"Between the samples at 0 ns and {PageText.Moment(memory.Times[1], 1e5)}, in which 20 frames began"));
    }

    [Test]
    public void A_range_that_is_selected_has_the_statistics_of_its_frames()
    {
        ProfileFrames frames = s_profile.Frames;
        const int First = 400;
        const int Last = 699;
        using Browser browser = Open(
            s_profile,
            string.Create(CultureInfo.InvariantCulture, $"#range={frames.Starts[First]}-{frames.Starts[Last]}"));
        long[] times = [.. frames.Nanoseconds.Skip(First).Take(Last - First + 1).Order()];
        Assert.Multiple(() =>
        {
            Assert.That(Fact(browser, "#selection", "Frames"), Is.EqualTo("300"));
            Assert.That(Fact(browser, "#selection", "p50"), Is.EqualTo(PageText.Time(times[149])));
            Assert.That(Fact(browser, "#selection", "p99"), Is.EqualTo(PageText.Time(times[296])));
            Assert.That(Fact(browser, "#selection", "Longest"), Is.EqualTo(PageText.Time(times[^1])));
            Assert.That(Fact(browser, "#selection", "Time in frames"), Is.EqualTo(
                $"{PageText.Time(times.Sum())} sum; {PageText.Time(Math.Round(times.Average()))} a frame"));
            long allocations = frames["allocations"].Skip(First).Take(300).Sum();
            Assert.That(Fact(browser, "#selection", "Allocations"), Is.EqualTo(
                $"{PageText.Count(allocations)} sum; {PageText.Digits(allocations / 300.0)} a frame"));
            Assert.That(Fact(browser, "#selection", "Page faults"), Is.EqualTo("3 sum; 0.01 a frame"));
        });
    }

    [Test]
    public void A_drag_selects_the_wheel_and_WASD_zoom_all_charts_over_time_and_Escape_goes_back()
    {
        using Browser browser = Open(s_profile);
        string whole = View(browser);
        IWebElement chart = browser.Find("#frames .plot[role=slider]");
        new OpenQA.Selenium.Interactions.Actions(browser.Page).MoveToElement(chart, -100, 0).ClickAndHold()
            .MoveToElement(chart, 100, 0).Release().Perform();
        Assert.That(browser.Find("#selection").Displayed);
        Assert.That(browser.FindAll(".plot .selection[x]"), Has.Count.GreaterThanOrEqualTo(2), "in both charts");
        Assert.That(View(browser), Is.EqualTo(whole), "a selection is no zoom");
        Focus(browser, "#frames .plot[role=slider]");
        browser.Press("w");
        string zoomed = View(browser);
        Assert.That(zoomed.Split('|').Zip(whole.Split('|')).Count(pair => pair.First != pair.Second), Is.EqualTo(2));
        browser.Press("d");
        Assert.That(View(browser), Is.Not.EqualTo(zoomed));
        browser.Press("aaaaaaaa", "s", "s");
        Assert.That(View(browser), Is.EqualTo(whole));
        new OpenQA.Selenium.Interactions.Actions(browser.Page).ScrollFromOrigin(
            new() { Element = chart }, 0, -240).Perform();
        Assert.That(View(browser), Is.Not.EqualTo(whole), "the wheel, on a chart that has the focus");
        browser.Press(Keys.Escape);
        Assert.That(browser.Find("#selection").Displayed, Is.False, "Escape clears the selection first");
        browser.Press(Keys.Escape);
        Assert.That(View(browser), Is.EqualTo(whole));
    }

    [Test]
    public void A_link_leads_to_the_frame_the_zoom_and_the_range_and_the_address_follows_them()
    {
        string hash;
        using (Browser browser = Open(s_profile))
        {
            Focus(browser, "#frames .plot[role=slider]");
            browser.Press(Keys.Home, Keys.PageDown, "www", "[", Keys.ArrowRight, Keys.ArrowRight, "]", Keys.Enter);
            hash = browser.Await<string>(
                """
                new Promise((done) => {
                  const look = () => location.hash.includes('frame=') ? done(location.hash) : setTimeout(look, 20);
                  look();
                })
                """);
        }

        Assert.That(hash, Does.Match(@"^#frame=\d+&view=\d+-\d+&range=\d+-\d+$"));
        using Browser linked = Open(s_profile, hash);
        Assert.That(linked.Find("#frame h3").Text.Replace(",", "", StringComparison.Ordinal), Is.EqualTo(
            "Frame " + hash.Split('&')[0].Split('=')[1]));
        Assert.That(linked.Find("#selection").Displayed);
        Assert.That(linked.Evaluate<string>("return location.hash"), Is.EqualTo(hash));
    }

    [TestCase("#frame=99999999")]
    [TestCase("#frame=-1&view=5-1&range=abc")]
    [TestCase("#view=0-0&frame=%00")]
    public void A_link_to_what_is_not_there_shows_the_page(string hash)
    {
        using Browser browser = Open(s_profile, hash);
        Assert.That(browser.Console(), Is.Empty);
        Assert.That(browser.FindAll("#frame:not([hidden])"), Is.Empty);
        Assert.That(browser.FindAll("#frames .series"), Has.Count.EqualTo(1));
    }

    [Test]
    public void Search_finds_names_in_all_tables_and_frames_by_number()
    {
        using Browser browser = Open(s_profile);
        browser.Press("/");
        browser.Press("physics");
        Assert.That(browser.FindAll("#results li").Select(result => result.Text), Has.Some.StartsWith("Tags: physics"));
        browser.Press(Keys.Enter);
        Assert.That(browser.Find("#tags .found").Text, Does.StartWith("physics"));
        browser.Find("#search").Clear();
        browser.Find("#search").SendKeys("frame 1,477" + Keys.Enter);
        Assert.That(browser.Find("#frame h3").Text, Is.EqualTo("Frame 1,477"));
        browser.Find("#search").Clear();
        browser.Find("#search").SendKeys("no such name");
        Assert.That(browser.Find("search [role=status]").Text, Is.EqualTo("nothing found"));
    }

    [Test]
    public void The_pages_CSV_are_the_engines()
    {
        using Browser browser = Open(s_profile);
        browser.DownloadTo(_folder);
        CsvFile.Write(s_profile, Path.Combine(_folder, "engine"));
        foreach ((string label, string saved, string written) in new[]
        {
            ("Frame times", "frame-times", "frames"), ("tags", "tags", "tags"),
            ("frame-faults", "frame-faults", "frame-faults"), ("events", "events", "events"),
        })
        {
            browser.Evaluate<object>($"document.querySelector('[aria-label=\"Save as CSV: {label}\"]').click()");
            Assert.That(
                Await(Path.Combine(_folder, saved + ".csv")),
                Is.EqualTo(File.ReadAllText(Path.Combine(_folder, "engine", written + ".csv"))), label);
        }
    }

    [Test]
    public void A_chart_is_saved_as_a_picture_of_twice_its_size()
    {
        using Browser browser = Open(s_profile);
        browser.DownloadTo(_folder);
        long width = browser.Evaluate<long>(
            "return Math.round(document.querySelector('#frames .plot svg').getBoundingClientRect().width)");
        browser.Evaluate<object>("document.querySelector('[aria-label=\"Save as PNG: Frame times\"]').click()");
        string path = Path.Combine(_folder, "frame-times.png");
        Await(path);
        byte[] png = File.ReadAllBytes(path);
        Assert.That(png.AsSpan(1, 3).ToArray(), Is.EqualTo("PNG"u8.ToArray()));
        Assert.That(
            (BigEndian(png, 16), BigEndian(png, 20)), Is.EqualTo(((int)width * 2, 460)), "the size in its header");
        Assert.That(png, Has.Length.GreaterThan(5000), "something is drawn");
        Assert.That(browser.Console(), Is.Empty);
    }

    [Test]
    public void Loads_lie_as_lanes_above_frames_and_memory_and_as_a_table()
    {
        using Browser browser = Open(s_profile);
        foreach (string part in new[] { "#frames", "#memory" })
        {
            Assert.That(browser.FindAll($"{part} .lanes .span"), Has.Count.EqualTo(2), "overlapping loads");
            Assert.That(browser.FindAll($"{part} .lanes .moment"), Has.Count.EqualTo(1));
        }

        Assert.That(Rows(browser, "#events", "events"), Is.EqualTo(s_profile.Events.Select(span => string.Join(
            '|', span.Track, span.Name, PageText.Time(span.StartNanoseconds),
            span.Nanoseconds == 0 ? "moment" : PageText.Time(span.Nanoseconds)))));
    }

    [Test]
    public void Print_shows_all_rows_and_then_the_page_is_as_it_was()
    {
        using Browser browser = Open(SampleProfile.Create(frames: 40_000));
        const string Hitches = "return document.querySelectorAll('#frames table')[0].tBodies[0].rows.length";
        Assert.That(browser.Evaluate<long>(Hitches), Is.EqualTo(8));
        browser.Evaluate<object>("dispatchEvent(new Event('beforeprint'))");
        Assert.That(browser.Evaluate<long>(Hitches), Is.EqualTo(41));
        browser.Evaluate<object>("dispatchEvent(new Event('afterprint'))");
        Assert.That(browser.Evaluate<long>(Hitches), Is.EqualTo(8));
    }

    [Test]
    public void On_a_phone_the_page_is_not_wider_than_it_and_tables_that_are_cut_say_so()
    {
        HtmlReport.Write(s_profile, Report);
        using Browser browser = Browser.Open(Report);
        browser.SetWidth(390);
        Assert.That(browser.Evaluate<long>("return document.documentElement.scrollWidth"), Is.LessThanOrEqualTo(390));
        string cut = browser.Evaluate<string>(
            """
            const isTold = (scroll) =>
              !scroll.previousElementSibling.hidden && scroll.classList.contains('cut-off') && scroll.tabIndex === 0;
            return [...document.querySelectorAll('.scroll')]
              .filter((scroll) => scroll.scrollWidth > scroll.clientWidth + 1).map(isTold).join(' ');
            """);
        Assert.That(cut.Split(' '), Is.Not.Empty.And.All.EqualTo("true"));
    }

    private static string Fact(Browser browser, string part, string title) => browser.Evaluate<string>(
        $$"""
        const term = [...document.querySelectorAll('{{part}} dt')].find((one) => one.textContent === '{{title}}');
        return [...term.nextElementSibling.childNodes].map((node) => node.textContent).join(' ').trim();
        """);

    /// <summary>A table's rows, by the name of its CSV.</summary>
    private static string[] Rows(Browser browser, string part, string name) => browser.Evaluate<string>(
        $$"""
        const save = document.querySelector('{{part}} [aria-label="Save as CSV: {{name}}"]');
        const textOf = (row) => [...row.cells].map((cell) => cell.textContent).join('|');
        return [...save.closest('.table').querySelectorAll('tbody tr')].map(textOf).join('\n');
        """).Split('\n');

    private static string View(Browser browser) => browser.Evaluate<string>(
        """
        return [...document.querySelectorAll('#frames .series, #memory .series:first-child')]
          .map((one) => one.getAttribute('d')).join('|');
        """);

    private static long Median(ProfileFrames frames, string column) =>
        frames[column].Order().ElementAt(frames[column].Count / 2);

    private static string Change(IReadOnlyList<long> values) => values[1] == values[0]
        ? "0"
        : (values[1] < values[0] ? "−" : "+") + PageText.Bytes(Math.Abs(values[1] - values[0]));

    /// <summary>A file that the browser writes under another name and then renames.</summary>
    private static string Await(string path)
    {
        Assert.That(() => File.Exists(path), Is.True.After(delayInMilliseconds: 60_000, pollingInterval: 20), path);
        return File.ReadAllText(path);
    }

    private static int BigEndian(byte[] bytes, int at) =>
        System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at));

    private static void Focus(Browser browser, string selector) =>
        browser.Evaluate<object>($"document.querySelector('{selector}').focus()");

    private Browser Open(ProfileDocument document, string hash = "")
    {
        HtmlReport.Write(document, Report);
        return Browser.Open(Report, hash: hash);
    }
}
