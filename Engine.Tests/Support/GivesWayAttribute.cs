using NUnit.Framework.Interfaces;

namespace Engine.Tests.Support;

/// <summary>
/// The assembly's tests, and the processes that they start, leave the processors to others who want them, as a loader's
/// threads do. All tests run beside each other, and the allocator's are the longest chain: their threads wait for each
/// other and for loaders, and lose a time slice at each wait where they have to share. Linux, where a priority belongs
/// to a thread and is inherited.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class GivesWayAttribute : Attribute, ITestAction
{
    public ActionTargets Targets => ActionTargets.Test;

    public void BeforeTest(ITest test)
    {
        if (OperatingSystem.IsLinux())
            ThisPlatform.LowerThreadPriority();
    }

    public void AfterTest(ITest test)
    {
    }
}
