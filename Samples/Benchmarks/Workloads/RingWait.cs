using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// Waiting for the other thread: a while before looking again, because the cache line that is looked at is then taken from the other
/// thread once for many blocks; and after many of these the processor is given away, in case the other one needs it.
/// </summary>
internal struct RingWait
{
    private const int Pauses = 32;
    private const int WaitsBeforeYield = 32;
    private int _waits;

    /// <summary>Waits a while.</summary>
    public void Once()
    {
        if (++_waits % WaitsBeforeYield == 0)
        {
            Thread.Yield();
        }

        for (int pause = 0; pause < Pauses; pause++)
        {
            if (X86Base.IsSupported)
            {
                X86Base.Pause();
            }
            else if (ArmBase.IsSupported)
            {
                ArmBase.Yield();
            }
        }
    }
}
