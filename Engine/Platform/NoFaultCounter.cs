namespace Engine.Platform;

/// <summary>For systems that do not count page faults.</summary>
internal sealed class NoFaultCounter : IFaultCounter
{
    public bool IsSupported => false;

    public bool IsPerThread => false;

    public long OfThread() => 0;

    public long OfProcess() => 0;
}
