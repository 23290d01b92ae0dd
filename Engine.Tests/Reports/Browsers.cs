using Engine.Tests.Reports.Support;

namespace Engine.Tests.Reports;

/// <summary>Around all tests that may open a page: ends the browsers that they left to each other.</summary>
[SetUpFixture]
internal sealed class Browsers
{
    [OneTimeTearDown]
    public void End() => Browser.EndAll();
}
