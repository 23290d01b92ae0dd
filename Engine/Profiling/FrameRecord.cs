namespace Engine.Profiling;

/// <summary>What one frame did; times in ticks of the system's clock.</summary>
internal struct FrameRecord
{
    public long Start;
    public long Ticks;
    public long Allocations;
    public long AllocatedBytes;
    public long PageFaults;
    public long Overflows;
    public long ManagedBytes;
    public long Collections;
}
