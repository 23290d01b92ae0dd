using Engine.Platform;

namespace Engine.Tests.Support;

/// <summary>
/// What a piece of work on the calling thread cost that a hot loop may not pay: page faults as the kernel counts them, the engine's OS
/// calls, and managed bytes.
/// </summary>
internal readonly record struct HotLoopCost(long PageFaults, long OsCalls, long ManagedBytes)
{
    public static HotLoopCost Nothing => default;

    /// <summary>
    /// Measures <paramref name="work"/>. The caller has run the same code before, so that nothing is compiled in it.
    /// Where the system does not count faults by thread, or an emulator's own faults are among them, they count as 0; OS calls and
    /// managed bytes are always real.
    /// </summary>
    public static HotLoopCost Of(EngineMemory memory, Action work)
    {
        bool counts = Engine.Platform.PageFaults.IsSupported && Engine.Platform.PageFaults.IsPerThread && !Tests.Platform.Machine.IsEmulated;
        _ = GC.GetAllocatedBytesForCurrentThread();
        _ = Engine.Platform.PageFaults.OfThread();
        long osCalls = memory.OsCalls;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        long faults = counts ? Engine.Platform.PageFaults.OfThread() : 0;
        work();
        faults = (counts ? Engine.Platform.PageFaults.OfThread() : 0) - faults;
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        return new HotLoopCost(faults, memory.OsCalls - osCalls, managed);
    }

    /// <summary>
    /// The cheapest of several attempts, each of which makes its own fresh memory. The runtime faults and allocates now and then for
    /// itself (a method compiled anew, a stub); what the engine does, it does in every attempt.
    /// </summary>
    public static HotLoopCost BestOf(int attempts, Func<HotLoopCost> attempt)
    {
        HotLoopCost best = attempt();
        for (int done = 1; done < attempts && best != Nothing; done++)
        {
            HotLoopCost next = attempt();
            best = new HotLoopCost(
                Math.Min(best.PageFaults, next.PageFaults), Math.Min(best.OsCalls, next.OsCalls), Math.Min(best.ManagedBytes, next.ManagedBytes));
        }

        return best;
    }

    public static HotLoopCost operator +(HotLoopCost left, HotLoopCost right) =>
        new(left.PageFaults + right.PageFaults, left.OsCalls + right.OsCalls, left.ManagedBytes + right.ManagedBytes);
}
