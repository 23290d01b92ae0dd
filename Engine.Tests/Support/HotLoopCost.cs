namespace Engine.Tests.Support;

/// <summary>
/// What a piece of work on the calling thread cost that a hot loop may not pay: page faults in the engine's memory,
/// page faults elsewhere, the engine's OS calls, and managed bytes.
/// </summary>
internal readonly record struct HotLoopCost(long EngineFaults, long OtherFaults, long OsCalls, long ManagedBytes)
{
    public static HotLoopCost Nothing => default;

    /// <summary>
    /// Measures <paramref name="work"/>. The caller has run the same code before, so that nothing is compiled in it.
    /// Where the system does not count faults by thread, or an emulator's own faults are among them, they count as 0;
    /// OS calls and managed bytes are always real.
    /// </summary>
    public static HotLoopCost Of(EngineMemory memory, Action work) =>
        Of(memory.ReservationBase, memory.ReservationBytes, () => memory.OsCalls, work);

    /// <summary>The same for layers without an <see cref="EngineMemory"/> around them.</summary>
    public static HotLoopCost Of(LowerLayers layers, Action work) =>
        Of(layers.Reservation.Base, layers.Reservation.TotalBytes, () => layers.Os.OsCalls, work);

    /// <summary>
    /// Several attempts, each of which makes its own fresh memory. What is the engine's own, faults in its memory and
    /// its OS calls, is summed over them: it must not happen in any. The runtime faults and allocates now and then for
    /// itself (a method compiled anew, a stub), so of those the least is taken; what the engine does, it does in every
    /// attempt.
    /// </summary>
    public static HotLoopCost BestOf(int attempts, Func<HotLoopCost> attempt)
    {
        HotLoopCost best = attempt();
        for (int done = 1; done < attempts && best != Nothing; done++)
        {
            HotLoopCost next = attempt();
            best = new HotLoopCost(
                best.EngineFaults + next.EngineFaults,
                Math.Min(best.OtherFaults, next.OtherFaults),
                best.OsCalls + next.OsCalls,
                Math.Min(best.ManagedBytes, next.ManagedBytes));
        }

        return best;
    }

    public static HotLoopCost operator +(HotLoopCost left, HotLoopCost right) => new(
        left.EngineFaults + right.EngineFaults,
        left.OtherFaults + right.OtherFaults,
        left.OsCalls + right.OsCalls,
        left.ManagedBytes + right.ManagedBytes);

    private static HotLoopCost Of(nint start, nuint bytes, Func<long> readOsCalls, Action work)
    {
        TouchStack();
        long osCalls = 0;
        long managed = 0;
        (long inRange, long elsewhere) = Faults.Of(start, bytes, () =>
        {
            osCalls = readOsCalls();
            _ = GC.GetAllocatedBytesForCurrentThread();
            managed = GC.GetAllocatedBytesForCurrentThread();
            work();
            managed = GC.GetAllocatedBytesForCurrentThread() - managed;
            osCalls = readOsCalls() - osCalls;
        });
        return new HotLoopCost(inRange, elsewhere, osCalls, managed);
    }

    /// <summary>A thread that has run for a while has been this deep; one that was just made would fault on pages of
    /// its own stack.</summary>
    private static unsafe void TouchStack()
    {
        const int Bytes = 64 * 1024;
        byte* stack = stackalloc byte[Bytes];
        for (int offset = 0; offset < Bytes; offset += 4096)
            Volatile.Write(ref stack[offset], 1);
    }
}
