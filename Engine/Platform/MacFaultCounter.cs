namespace Engine.Platform;

/// <summary>The faults that Mach counts for the whole process; it tells no thread's.</summary>
internal sealed class MacFaultCounter(MacFunctions mach) : IFaultCounter
{
    public bool IsSupported => mach.IsPresent;

    public bool IsPerThread => false;

    public long OfThread() => mach.Faults();

    public long OfProcess() => mach.Faults();
}
