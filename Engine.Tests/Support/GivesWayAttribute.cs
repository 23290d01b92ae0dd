using NUnit.Framework.Interfaces;

namespace Engine.Tests.Support;

/// <summary>
/// The assembly's tests, and the processes that they start, leave others the larger part of the processors. All tests
/// run beside each other, and the allocator's are the longest chain: their threads wait for each other and for loaders,
/// and lose a time slice at each wait where they have to share. Not the smallest part, as a loader's threads: beside
/// busy processes of others that is next to nothing. Linux, where a priority belongs to a thread and is inherited.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class GivesWayAttribute : Attribute, ITestAction
{
    /// <summary>A third of a normal thread's share of time.</summary>
    private const int Nice = 5;

    public ActionTargets Targets => ActionTargets.Test;

    public void BeforeTest(ITest test)
    {
        if (OperatingSystem.IsLinux())
            LinuxThread.LowerPriority(ThisPlatform.CreateContext(), Nice);
    }

    public void AfterTest(ITest test)
    {
    }
}
