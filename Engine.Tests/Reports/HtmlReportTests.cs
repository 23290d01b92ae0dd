using System.Text;
using System.Text.RegularExpressions;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;
using OpenQA.Selenium;

namespace Engine.Tests.Reports;

/// <summary>The report in a real browser: what is drawn, what it says, and how it is used without a mouse.</summary>
[Parallelizable(ParallelScope.Self)]
internal sealed partial class HtmlReportTests
{
    private static readonly string[] s_parts =
        ["overview", "frames", "memory", "events", "arenas", "tags", "callsites", "classes", "superslabs", "threads",
            "faults", "policies", "plans"];

    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.Combine(Path.GetTempPath(), $"engine-report-{Guid.NewGuid():n}.html");

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    public void Every_part_has_its_data_and_the_console_stays_empty()
    {
        using Browser browser = Open(SampleProfile.Create());
        Assert.Multiple(() =>
        {
            Assert.That(browser.Console(), Is.Empty);
            Assert.That(browser.FindAll("nav a"), Has.Count.EqualTo(s_parts.Length));
            Assert.That(browser.FindAll(".empty").Select(note => note.Text), Is.Empty.Or.All.StartsWith("No slabs"));
            Assert.That(PathLength(browser, "#frames .series"), Is.GreaterThan(3000), "the frame chart");
            Assert.That(browser.FindAll("#frames .mark"), Has.Count.EqualTo(4), "its hitches");
            Assert.That(browser.FindAll("#histogram .bar").Count(bar =>
                double.Parse(bar.GetAttribute("height")!, null) > 0), Is.GreaterThan(5));
            Assert.That(browser.FindAll("#memory .series"), Has.Count.EqualTo(3));
            Assert.That(browser.FindAll("#classes tbody tr"), Has.Count.EqualTo(14));
            Assert.That(browser.FindAll("#superslabs .cells").Sum(cells => cells.GetAttribute("d")!.Count(letter =>
                letter == 'M')), Is.EqualTo(176));
            Assert.That(browser.FindAll("#superslab .slabs li"), Has.Count.EqualTo(32));
            Assert.That(
                browser.Find("#faults").Text,
                Does.Contain("1,060 page faults with an owner").And.Contain("Game.World.Spawn"));
            Assert.That(browser.Find("#policies").Text, Does.Contain("nr_hugepages is 0"));
            Assert.That(
                browser.Find("#plans").Text,
                Does.Contain("300 MiB planned; 240 MiB taken").And.Contain("60 MiB (20 %) never taken"));
        });
    }

    [Test]
    [Category(Lane.Slow)]
    public void An_empty_profile_says_of_every_part_why_it_is_empty()
    {
        using Browser browser = Open(SampleProfile.Empty);
        Assert.That(browser.Console(), Is.Empty);
        foreach (string part in s_parts.Skip(1))
        {
            Assert.That(browser.FindAll($"#{part} .empty").Select(note =>
                note.Text), Is.Not.Empty.And.All.Length.GreaterThan(15), part);
        }
    }

    [Test]
    [Category(Lane.Slow)]
    public void Names_are_text_wherever_they_are_shown()
    {
        using Browser browser = Open(SampleProfile.Create(frames: 1200, SampleProfile.HostileName));
        Assert.Multiple(() =>
        {
            Assert.That(browser.Console(), Is.Empty);
            Assert.That(browser.FindAll("img"), Is.Empty);
            Assert.That(
                browser.Evaluate<string>("return document.querySelector('#arenas tbody td').textContent"),
                Is.EqualTo(SampleProfile.HostileName));
            Assert.That(
                browser.Evaluate<string>("return document.querySelector('#plans h3').textContent"),
                Is.EqualTo(SampleProfile.HostileName));
        });
    }

    [Test]
    public void The_file_asks_no_network_for_anything()
    {
        HtmlReport.Write(SampleProfile.Create(), _path);
        string page = File.ReadAllText(_path);
        string[] addresses = [.. Address().Matches(page).Select(match => match.Value).Distinct()];
        Assert.That(
            page.Contains("default-src 'none'", StringComparison.Ordinal), "the browser is told to load nothing");
        Assert.That(
            addresses, Has.Length.EqualTo(1).And.All.EqualTo("http://www.w3.org/2000/svg"),
            "the name of SVG's namespace, which nobody asks for");
    }

    [Test]
    [Category(Lane.Slow)]
    public void Both_themes_are_readable_and_can_be_chosen()
    {
        using Browser browser = Open(SampleProfile.Create());
        foreach (string theme in new[] { "light", "dark" })
        {
            browser.Evaluate<object>($"document.querySelector('#theme input[value={theme}]').click()");
            Assert.Multiple(() =>
            {
                Assert.That(Contrast(browser, "body", "h1"), Is.GreaterThan(7), $"headings, {theme}");
                Assert.That(Contrast(browser, "#arenas", "#arenas td"), Is.GreaterThan(7), $"tables, {theme}");
                Assert.That(Contrast(browser, "#arenas", ".lead"), Is.GreaterThan(4.5), $"secondary text, {theme}");
                Assert.That(
                    browser.Evaluate<bool>($"return {Luminance("section")} {(theme == "light" ? ">" : "<")} 0.5"),
                    Is.True, theme);
            });
        }
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_frame_chart_is_used_by_keyboard()
    {
        using Browser browser = Open(SampleProfile.Create());
        IWebElement chart = browser.Find("#frames .plot");
        string whole = browser.Find("#frames .series").GetAttribute("d")!;
        Focus(browser, "#frames .plot");
        browser.Press(Keys.Home, Keys.PageDown);
        Assert.That(
            chart.GetAttribute("aria-valuetext"),
            Does.StartWith("frame 500: ").And.Contains("hitch: 3 page faults in world"));
        browser.Press(Keys.ArrowRight);
        Assert.That(chart.GetAttribute("aria-valuetext"), Does.Not.StartWith("frame 500:").And.Not.Contains("hitch"));
        browser.Press("+++++++");
        Assert.That(browser.Find("#frames .series").GetAttribute("d"), Is.Not.EqualTo(whole), "zoomed in");
        browser.Press("0");
        Assert.That(browser.Find("#frames .series").GetAttribute("d"), Is.EqualTo(whole), "and out again");
        Focus(browser, "#histogram");
        browser.Press(Keys.End);
        Assert.That(browser.Find("#histogram").GetAttribute("aria-valuetext"), Does.Contain("100 % of all frames"));
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_map_is_looked_into_by_keyboard()
    {
        using Browser browser = Open(SampleProfile.Create());
        Focus(browser, "#superslabs .map");
        browser.Press(Keys.Home, Keys.ArrowRight, Keys.ArrowRight);
        Assert.That(browser.Find("#superslab h3").Text, Does.StartWith("SuperSlab 2 · owned by world"));
        Assert.That(browser.FindAll("#superslab .slabs li"), Has.Count.EqualTo(32));
        browser.Press(Keys.ArrowDown, Keys.End);
        Assert.That(
            browser.Find("#superslab").Text,
            Does.StartWith("SuperSlab 175 · extent by world").And.Contains("one block of whole SuperSlabs"));
    }

    [Test]
    [Category(Lane.Slow)]
    public void The_tab_key_reaches_every_control_in_the_order_of_the_page()
    {
        using Browser browser = Open(SampleProfile.Create());
        List<double> tops = [];
        browser.Evaluate<object>("document.activeElement.blur()");
        for (int stop = 0; stop < 200; stop++)
        {
            browser.Press(Keys.Tab);
            if (browser.Evaluate<bool>("return document.activeElement === document.body"))
                break;

            if (browser.Evaluate<bool>("return document.activeElement.closest('main') !== null"))
                tops.Add(browser.Evaluate<double>("return document.activeElement.closest('section').offsetTop + 0.5"));
        }

        Assert.That(tops, Is.Ordered);
        Assert.That(tops.Distinct().Count(), Is.GreaterThanOrEqualTo(8), "charts, map, tables and the plan");
    }

    [TestCase(false)]
    [TestCase(true)]
    [Category(Lane.Slow)]
    public void The_suggested_plan_is_copied_whole_and_can_be_loaded(bool isByKeyboard)
    {
        using Browser browser = Open(SampleProfile.Create());
        browser.SetPermission("clipboard-write", "granted");
        browser.SetPermission("clipboard-read", "granted");
        PressCopy(browser, isByKeyboard);
        Assert.That(Status(browser), Is.EqualTo("copied"));
        string text = browser.Await<string>("navigator.clipboard.readText()");
        ScenePlan plan = ScenePlan.Parse(Encoding.UTF8.GetBytes(text));
        Assert.That(
            (plan.Name, plan.Arenas[0].Name, plan.Arenas[0].SuperSlabCount), Is.EqualTo(("world", "world", 105)));
        Assert.That(text, Is.EqualTo(SampleProfile.Create().Plans[0].SuggestedPlan));
    }

    [TestCase(false)]
    [TestCase(true)]
    [Category(Lane.Slow)]
    public void Where_the_clipboard_is_refused_the_plan_is_selected_and_a_word_says_so(bool isByKeyboard)
    {
        using Browser browser = Open(SampleProfile.Create());
        browser.SetPermission("clipboard-write", "denied");
        PressCopy(browser, isByKeyboard);
        Assert.That(Status(browser), Does.StartWith("the browser gives no clipboard to this page"));
        Assert.That(browser.Find("#plans [role=status]").Displayed, Is.True);
        Assert.That(
            browser.Evaluate<string>("return getSelection().toString()"),
            Is.EqualTo(SampleProfile.Create().Plans[0].SuggestedPlan));
    }

    [Test]
    [Category(Lane.Slow)]
    public void A_hundred_thousand_frames_are_one_path_of_a_screens_width_and_no_hitch_is_lost()
    {
        using Browser browser = Open(SampleProfile.Create(frames: 100_000));
        int points = browser.Find("#frames .series").GetAttribute("d")!.Count(letter => letter == 'L');
        Assert.That(browser.Console(), Is.Empty);
        Assert.That(points, Is.InRange(1000, 3000));
        Assert.That(browser.FindAll("#frames .mark"), Has.Count.EqualTo(102));
    }

    /// <summary>Whatever makes a browser load something.</summary>
    [GeneratedRegex(
        @"https?:[^""'\s]*|<(?:link|img|iframe|script\s[^>]*src)|@import|\burl\(|fetch\(|XMLHttpRequest|WebSocket",
        RegexOptions.IgnoreCase)]
    private static partial Regex Address();

    private Browser Open(ProfileDocument document)
    {
        HtmlReport.Write(document, _path);
        return Browser.Open(_path);
    }

    private static void PressCopy(Browser browser, bool isByKeyboard)
    {
        if (isByKeyboard)
        {
            Focus(browser, "#plans button");
            browser.Press(Keys.Enter);
        }
        else
        {
            browser.Find("#plans button").Click();
        }
    }

    /// <summary>What stands beside the button, once it says something.</summary>
    private static string Status(Browser browser) => browser.Await<string>(
        """
        new Promise((done) => {
          const status = document.querySelector('#plans [role=status]');
          const look = () => status.textContent ? done(status.textContent) : setTimeout(look, 10);
          look();
        })
        """);

    private static void Focus(Browser browser, string selector) =>
        browser.Evaluate<object>($"document.querySelector('{selector}').focus()");

    private static int PathLength(Browser browser, string selector) => browser.Find(selector).GetAttribute("d")!.Length;

    /// <summary>The contrast of WCAG 2: 1 to 21; 4.5 is the least for text, 7 is good.</summary>
    private static double Contrast(Browser browser, string behind, string text) => browser.Evaluate<double>(
        $"const a = {Luminance(behind)}, b = {Luminance(text, "color")}; return (Math.max(a, b) + 0.05) / "
            + "(Math.min(a, b) + 0.05)");

    private static string Luminance(string selector, string property = "backgroundColor") =>
        $$"""
        (() => {
          const node = document.querySelector('{{selector}}') === document.body ? document.documentElement : document.querySelector('{{selector}}');
          const parts = getComputedStyle(node).{{property}}.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
          const [r, g, b] = parts.map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        })()
        """;
}
