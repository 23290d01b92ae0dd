using System.Runtime.InteropServices;
using NUnit.Framework.Interfaces;

namespace Engine.Tests.Support;

/// <summary>
/// The assembly's tests, and the processes that they start, leave the processors to others who want them. All tests run
/// beside each other, and the allocator's are the longest chain: their threads wait for each other, and lose a time
/// slice at each wait where they have to share. Linux, where a niceness belongs to a thread and is inherited.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed partial class GivesWayAttribute : Attribute, ITestAction
{
    private const int ThreadOrProcess = 0;
    private const int Lowest = 19; // that of loaders, for which the allocator's tests wait, too

    public ActionTargets Targets => ActionTargets.Test;

    public void BeforeTest(ITest test)
    {
        if (OperatingSystem.IsLinux())
            _ = setpriority(ThreadOrProcess, 0, Lowest);
    }

    public void AfterTest(ITest test)
    {
    }

    [LibraryImport("libc")]
    private static partial int setpriority(int which, uint who, int niceness);
}
