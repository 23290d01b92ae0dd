using System.Collections.Concurrent;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace Engine.Tests.Reports.Support;

/// <summary>
/// A headless Chromium with a page open: Debian's packages chromium and chromium-driver. To start one takes seconds of
/// a processor, so who is done with a page leaves its browser to the next one, as it was at first.
/// </summary>
internal sealed class Browser : IDisposable
{
    /// <summary>On a busy machine a look at a page's accessibility has taken more than the default of 30
    /// seconds.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    private static readonly ConcurrentBag<Browser> s_idle = [];
    private readonly ChromeDriver _driver;
    private readonly string _profile = Directory.CreateTempSubdirectory("engine-reports-browser-").FullName;

    private Browser()
    {
        ChromeOptions options = new() { BinaryLocation = Chromium };
        options.AddArguments(
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
                "--hide-scrollbars",
            "--window-size=1280,900", $"--user-data-dir={_profile}");
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        ChromeDriverService service =
            ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(Driver)!, Path.GetFileName(Driver));
        service.SuppressInitialDiagnosticInformation = true;
        _driver = new ChromeDriver(service, options, commandTimeout: s_patience);
        _driver.Manage().Timeouts().AsynchronousJavaScript = s_patience;
    }

    private static string Chromium => Environment.GetEnvironmentVariable("CHROMIUM") ?? "/usr/bin/chromium";

    private static string Driver => Environment.GetEnvironmentVariable("CHROMEDRIVER") ?? "/usr/bin/chromedriver";

    public IWebDriver Page => _driver;

    /// <summary>Opens a file, or ends the test as skipped where there is no browser.</summary>
    /// <param name="path">The file.</param>
    /// <param name="hash">What follows in the address, from "#" on.</param>
    public static Browser Open(string path, string hash = "")
    {
        if (!File.Exists(Chromium) || !File.Exists(Driver))
        {
            Assert.Ignore(
                $"There is no {Chromium} and {Driver} here: .ci/chromium installs them, or CHROMIUM and "
                + "CHROMEDRIVER name others.");
        }

        Browser browser = s_idle.TryTake(out Browser? idle) ? idle : new Browser();
        browser._driver.Navigate().GoToUrl(new Uri(Path.GetFullPath(path)).AbsoluteUri + hash);
        return browser;
    }

    /// <summary>What the page wrote to the console and what the browser complained of, security policy
    /// included.</summary>
    public string[] Console() => [.. _driver.Manage().Logs.GetLog(LogType.Browser).Select(entry =>
        $"{entry.Level}: {entry.Message}")];

    public IWebElement Find(string selector) => _driver.FindElement(By.CssSelector(selector));

    public IReadOnlyList<IWebElement> FindAll(string selector) => _driver.FindElements(By.CssSelector(selector));

    public T Evaluate<T>(string script) => (T)_driver.ExecuteScript(script)!;

    /// <summary>The same with what a promise becomes.</summary>
    public T Await<T>(string promise) => (T)_driver.ExecuteAsyncScript(
        $"const done = arguments[arguments.length - 1]; ({promise}).then(done, (error) => done(String(error)))")!;

    /// <summary>Lets pages do something that a browser asks its user about, or forbids it: "granted",
    /// "denied".</summary>
    public void SetPermission(string name, string setting) => Command(
        "Browser.setPermission", ("permission", new Dictionary<string, object> { ["name"] = name }),
        ("setting", setting));

    /// <summary>Makes the page as wide as a device; a window has a least width.</summary>
    public void SetWidth(int width) => Command(
        "Emulation.setDeviceMetricsOverride", ("width", width), ("height", 844), ("deviceScaleFactor", 1),
        ("mobile", true));

    /// <summary>Has files that pages save written to a folder.</summary>
    public void DownloadTo(string folder) =>
        Command("Browser.setDownloadBehavior", ("behavior", "allow"), ("downloadPath", folder));

    /// <summary>Sends keys to whatever has the focus.</summary>
    public void Press(params string[] keys) =>
        new OpenQA.Selenium.Interactions.Actions(_driver).SendKeys(string.Concat(keys)).Perform();

    /// <summary>Leaves the browser to the next page; one that no longer answers ends.</summary>
    public void Dispose()
    {
        try
        {
            _driver.ResetInputState();
            Command("Emulation.clearDeviceMetricsOverride");
            Command("Browser.resetPermissions");
            Command("Browser.setDownloadBehavior", ("behavior", "default"));
            _driver.Navigate().GoToUrl("about:blank");
            _ = Console();
            s_idle.Add(this);
        }
        catch (WebDriverException)
        {
            End();
        }
    }

    /// <summary>Ends the browsers that are left, after all tests.</summary>
    public static void EndAll()
    {
        while (s_idle.TryTake(out Browser? browser))
            browser.End();
    }

    private void Command(string name, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        Dictionary<string, object?> all = [];
        foreach ((string parameter, object value) in parameters)
            all[parameter] = value;

        _driver.ExecuteCdpCommand(name, all);
    }

    private void End()
    {
        _driver.Quit();
        _driver.Dispose();
        try
        {
            Directory.Delete(_profile, recursive: true);
        }
        catch (IOException)
        {
            // The browser's last process may still be writing there; the folder is a temporary one.
        }
    }
}
