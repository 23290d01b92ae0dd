using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace Engine.Tests.Reports.Support;

/// <summary>A headless Chromium with a page open: Debian's packages chromium and chromium-driver.</summary>
internal sealed class Browser : IDisposable
{
    private readonly ChromeDriver _driver;
    private readonly string _profile = Directory.CreateTempSubdirectory("engine-reports-browser-").FullName;

    private Browser(int width, int height)
    {
        ChromeOptions options = new() { BinaryLocation = Chromium };
        options.AddArguments(
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
                "--hide-scrollbars",
            $"--window-size={width},{height}", $"--user-data-dir={_profile}");
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        ChromeDriverService service =
            ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(Driver)!, Path.GetFileName(Driver));
        service.SuppressInitialDiagnosticInformation = true;
        _driver = new ChromeDriver(service, options, TimeSpan.FromMinutes(2));
    }

    private static string Chromium => Environment.GetEnvironmentVariable("CHROMIUM") ?? "/usr/bin/chromium";

    private static string Driver => Environment.GetEnvironmentVariable("CHROMEDRIVER") ?? "/usr/bin/chromedriver";

    public IWebDriver Page => _driver;

    /// <summary>Opens a file, or ends the test as skipped where there is no browser.</summary>
    /// <param name="path">The file.</param>
    /// <param name="width">The window's width in pixels.</param>
    /// <param name="height">Its height.</param>
    /// <param name="hash">What follows in the address, from "#" on.</param>
    public static Browser Open(string path, int width = 1280, int height = 900, string hash = "")
    {
        if (!File.Exists(Chromium) || !File.Exists(Driver))
        {
            Assert.Ignore(
                $"There is no {Chromium} and {Driver} here: .ci/chromium installs them, or CHROMIUM and "
                + "CHROMEDRIVER name others.");
        }

        Browser browser = new(width, height);
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
    public void SetPermission(string name, string setting) =>
        _driver.ExecuteCdpCommand("Browser.setPermission", new Dictionary<string, object?>
        {
            ["permission"] = new Dictionary<string, object> { ["name"] = name },
            ["setting"] = setting,
        });

    /// <summary>Makes the page as wide as a device; a window has a least width.</summary>
    public void SetWidth(int width) => _driver.ExecuteCdpCommand(
        "Emulation.setDeviceMetricsOverride",
        new Dictionary<string, object?>
        {
            ["width"] = width,
            ["height"] = 844,
            ["deviceScaleFactor"] = 1,
            ["mobile"] = true,
        });

    /// <summary>Has files that pages save written to a folder.</summary>
    public void DownloadTo(string folder) => _driver.ExecuteCdpCommand(
        "Browser.setDownloadBehavior",
        new Dictionary<string, object?> { ["behavior"] = "allow", ["downloadPath"] = folder });

    /// <summary>Sends keys to whatever has the focus.</summary>
    public void Press(params string[] keys) =>
        new OpenQA.Selenium.Interactions.Actions(_driver).SendKeys(string.Concat(keys)).Perform();

    public void Dispose()
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
