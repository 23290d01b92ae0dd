using Engine.Tests.Reports.Support;
using OpenQA.Selenium;

namespace Engine.Tests.Reports;

/// <summary>
/// Call sites on the page: each number of the table, the flame graph and the tags is recomputed here from the stacks.
/// </summary>
[Parallelizable(ParallelScope.Self)]
internal sealed class CallSitesPageTests
{
    private const string Graph = "#callsites .flame";

    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.Combine(Path.GetTempPath(), $"engine-sites-{Guid.NewGuid():n}.html");

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    public void Every_number_of_the_tables_is_that_of_the_stacks()
    {
        ProfileDocument document = SampleProfile.Create(frames: 100);
        ProfileCallSites sites = document.CallSites;
        long allLive = sites.Stacks.Sum(stack => stack.LiveBytes);
        string[][] expected =
        [
            .. sites.Stacks.GroupBy(stack => sites.Places[stack.Places[0]]).Select(stacks => (string[])
            [
                stacks.Key,
                "",
                PageText.Bytes(stacks.Sum(stack => stack.LiveBytes)),
                PageText.Bytes(Deviation(stacks.Select(stack => stack.LiveDeviation))),
                PageText.Count(stacks.Sum(stack => stack.LiveSampleCount)),
                PageText.Bytes(stacks.Sum(stack => stack.AllocatedBytes)),
                PageText.Bytes(Deviation(stacks.Select(stack => stack.AllocatedDeviation))),
                PageText.Count(stacks.Sum(stack => stack.SampleCount)),
                PageText.Digits(100.0 * stacks.Sum(stack => stack.LiveBytes) / allLive) + " %",
            ]),
        ];
        using Browser browser = Open(document);
        string[][] shown = Cells(browser, "#callsites");
        Assert.Multiple(() =>
        {
            Assert.That(shown, Is.EquivalentTo(expected));
            Assert.That(
                browser.Find("#callsites .lead").Text,
                Does.StartWith(
                    $"Estimated from {PageText.Count(sites.SampleCount)} samples, one in 512 KiB on average, "
                    + $"of which {PageText.Count(sites.LiveSampleCount)} are of blocks that live."));
            foreach (string[] row in Cells(browser, "#tags"))
            {
                IEnumerable<ProfileCallSites.StackRow> ofTag = sites.Stacks.Where(stack => stack.Tag == row[0]);
                Assert.That(row[6], Is.EqualTo(PageText.Bytes(ofTag.Sum(stack => stack.LiveBytes))), row[0]);
                Assert.That(
                    row[7], Is.EqualTo(PageText.Bytes(Deviation(ofTag.Select(stack => stack.LiveDeviation)))), row[0]);
            }
        });
    }

    [Test]
    public void The_flame_graph_is_used_by_keyboard_and_by_mouse()
    {
        ProfileDocument document = SampleProfile.Create(frames: 100);
        ProfileCallSites sites = document.CallSites;
        using Browser browser = Open(document);
        IWebElement graph = browser.Find(Graph);
        Assert.That(browser.Console(), Is.Empty);
        Assert.That(Chosen(), Is.EqualTo(Text("all", sites.Stacks)));

        // Down the largest: Main, Run, then the largest callee of Run.
        browser.Evaluate<object>($"document.querySelector('{Graph}').focus()");
        browser.Press(Keys.ArrowDown, Keys.ArrowDown);
        Assert.That(Chosen(), Is.EqualTo(Text("Game.Loop.Run", sites.Stacks)));
        browser.Press(Keys.ArrowDown);
        IGrouping<int, ProfileCallSites.StackRow>[] callees =
        [
            .. sites.Stacks.Where(stack => stack.Places.Count > 2).GroupBy(stack => stack.Places[^3])
                .OrderByDescending(callee => callee.Sum(stack => stack.LiveBytes)),
        ];
        Assert.That(Chosen(), Is.EqualTo(Text(sites.Places[callees[0].Key], callees[0])));
        browser.Press(Keys.ArrowRight);
        Assert.That(Chosen(), Is.EqualTo(Text(sites.Places[callees[1].Key], callees[1])));
        Assert.That(browser.Find("#callsites output").Text, Is.EqualTo(Chosen()));

        double narrow = Width(browser);
        browser.Press(Keys.Enter);
        Assert.That(Width(browser), Is.GreaterThan(2 * narrow), "it is as wide as the picture now");
        browser.Press(Keys.Escape);
        Assert.That(Chosen(), Is.EqualTo(Text("all", sites.Stacks)));

        // The second row, in the middle.
        new OpenQA.Selenium.Interactions.Actions(browser.Page).MoveToElement(graph, 0, 30 - (graph.Size.Height / 2))
            .Click().Perform();
        Assert.That(Chosen(), Is.EqualTo(Text("Game.Program.Main", sites.Stacks)));

        string Chosen() => graph.GetAttribute("aria-valuetext")!;

        string Text(string name, IEnumerable<ProfileCallSites.StackRow> stacks)
        {
            long bytes = stacks.Sum(stack => stack.LiveBytes);
            long samples = stacks.Sum(stack => stack.LiveSampleCount);
            double share = 100.0 * bytes / sites.Stacks.Sum(stack => stack.LiveBytes);
            return $"{name}: {PageText.Bytes(bytes)}, {PageText.Digits(share)} % of all, "
                + $"{PageText.Count(samples)} sample{(samples == 1 ? "" : "s")}";
        }
    }

    [Test]
    public void Allocated_bytes_and_one_tag_are_shown_where_they_are_chosen()
    {
        ProfileDocument document = SampleProfile.Create(frames: 100);
        using Browser browser = Open(document);
        browser.Evaluate<object>("document.querySelector('#callsites input[value=Allocated]').click()");
        Assert.That(All(browser), Does.StartWith("all: " + PageText.Bytes(
            document.CallSites.Stacks.Sum(stack => stack.AllocatedBytes))));
        browser.Evaluate<object>(
            "const tag = document.querySelector('#callsites select'); tag.value = 'physics';"
            + "tag.dispatchEvent(new Event('change'))");
        Assert.That(All(browser), Does.StartWith("all: " + PageText.Bytes(
            document.CallSites.Stacks.Where(stack => stack.Tag == "physics").Sum(stack => stack.AllocatedBytes))));
    }

    [Test]
    public void What_was_dropped_and_what_is_not_known_is_said()
    {
        ProfileDocument document = SampleProfile.Create(frames: 100);
        using (Browser browser = Open(document with
        {
            CallSites = document.CallSites with { UnkeptBlockCount = 1234, UnkeptStackCount = 1 },
        }))
        {
            Assert.That(
                browser.Find("#callsites").Text,
                Does.Contain("1,234 samples found no room in the table of live blocks")
                    .And.Contain("1 sample found no room for its call stack"));
        }

        using Browser silent = Open(document with { CallSites = new ProfileCallSites() });
        Assert.That(
            silent.Find("#callsites .empty").Text,
            Is.EqualTo("Allocations were not sampled: ProfilerOptions.SampleAllocationsEvery is 0."));
    }

    private static double Deviation(IEnumerable<long> parts) =>
        Math.Round(Math.Sqrt(parts.Sum(part => (double)part * part)));

    private static string All(Browser browser) => browser.Find(Graph).GetAttribute("aria-valuetext")!;

    private static double Width(Browser browser) => browser.Evaluate<double>(
        $"return 0.01 + Number(document.querySelector('{Graph} .chosen-cell').getAttribute('width'))");

    /// <summary>The texts of a table's cells, row by row.</summary>
    private static string[][] Cells(Browser browser, string part)
    {
        browser.Evaluate<object>(
            $"document.querySelectorAll('{part} .more:not([hidden])').forEach((one) => one.click())");
        return
        [
            .. browser.Evaluate<System.Collections.ObjectModel.ReadOnlyCollection<object>>(
                $"return [...document.querySelectorAll('{part} tbody tr')].map((row) => "
                + "[...row.children].map((cell) => cell.textContent))")
                .Select(row => ((IEnumerable<object>)row).Select(cell => (string)cell).ToArray()),
        ];
    }

    private Browser Open(ProfileDocument document)
    {
        HtmlReport.Write(document, _path);
        return Browser.Open(_path);
    }
}
