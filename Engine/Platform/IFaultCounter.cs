namespace Engine.Platform;

/// <summary>Where the page faults of a thread and of the process are read.</summary>
internal interface IFaultCounter
{
    bool IsSupported { get; }

    bool IsPerThread { get; }

    long OfThread();

    long OfProcess();
}
