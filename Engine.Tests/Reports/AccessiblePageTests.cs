using Deque.AxeCore.Commons;
using Engine.Tests.Reports.Support;
using Engine.Tests.Support;
using OpenQA.Selenium;

namespace Engine.Tests.Reports;

/// <summary>Both pages looked over by axe-core, in both themes, with what opens opened.</summary>
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed class AccessiblePageTests
{
    private string _path = "";

    [SetUp]
    public void MakeFile() => _path = Path.Combine(Path.GetTempPath(), $"engine-axe-{Guid.NewGuid():n}.html");

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [TestCase("dark", 1280)]
    [TestCase("light", 390)]
    public void The_report_has_no_serious_fault(string theme, int width)
    {
        HtmlReport.Write(SampleProfile.Create(frames: 2000), _path);
        using Browser browser = Browser.Open(_path, hash: "#frame=500&range=100000000-900000000");
        browser.SetWidth(width);
        browser.Evaluate<object>(
            "document.querySelector('.keys').open = true; document.querySelector('#search').focus()");
        browser.Press("world");
        Assert.That(browser.FindAll("#results li"), Is.Not.Empty);
        Assert.That(Faults(browser, theme), Is.Empty);
        browser.Press(Keys.Control + "a", Keys.Delete);
        Assert.That(Faults(browser, theme), Is.Empty, "and without what the results cover");
    }

    [TestCase("light")]
    public void A_comparison_has_no_serious_fault(string theme)
    {
        HtmlReport.Write(
            new ProfileComparison(SampleProfile.Create(frames: 500), SampleProfile.Create(frames: 900, "caves")),
            _path);
        using Browser browser = Browser.Open(_path);
        Assert.That(Faults(browser, theme), Is.Empty);
    }

    [Test]
    public void A_page_with_a_fault_is_noticed()
    {
        File.WriteAllText(_path, "<!doctype html><html><body><img src='data:,'><button></button></body></html>");
        using Browser browser = Browser.Open(_path);
        Assert.That(Faults(browser, theme: null), Does.Contain("image-alt").And.Contain("button-name"));
    }

    /// <summary>The rules that are broken, the serious and the critical ones, each with the first element.</summary>
    private static string Faults(Browser browser, string? theme)
    {
        if (theme is not null)
            browser.Evaluate<object>($"document.querySelector('#theme input[value={theme}]').click()");

        browser.Evaluate<object>(new BundledAxeScriptProvider().GetScript());
        return browser.Await<string>(
            """
            axe.run().then(({ violations }) => violations
              .filter(({ impact }) => impact === 'serious' || impact === 'critical')
              .map(({ id, nodes: [first, ...others] }) =>
                `${id}: ${first.html.slice(0, 200)} ${first.failureSummary}, and ${others.length} more`)
              .join('\n'))
            """);
    }
}
