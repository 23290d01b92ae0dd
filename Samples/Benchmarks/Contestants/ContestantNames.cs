namespace Samples.Benchmarks.Contestants;

/// <summary>What the contestants are called in tables, in JSON and between the processes.</summary>
internal static class ContestantNames
{
    /// <summary>The engine through a per-thread handle.</summary>
    public const string Handle = "handle";

    /// <summary>The engine through a per-thread handle, without a prewarm.</summary>
    public const string HandleCold = "handle cold";

    /// <summary>
    /// The same without prefaulting either: pages come when they are written, as those of the peers do.
    /// </summary>
    public const string HandleOnDemand = "handle on demand";

    /// <summary>The engine through a per-thread handle, with hardened frees.</summary>
    public const string HandleHardened = "handle hardened";

    /// <summary>The engine, finding the thread's cache by itself.</summary>
    public const string Engine = "engine";

    /// <summary>The engine's frame arena, in the workload that it is for.</summary>
    public const string FrameArena = "frame arena";

    /// <summary>The engine's arena, reset: all blocks are gone and the memory stays.</summary>
    public const string ArenaReset = "arena reset";

    /// <summary>The engine's arena, disposed: all blocks are gone and the memory is the system's again.</summary>
    public const string ArenaDispose = "arena dispose";

    /// <summary>The loop without an allocator.</summary>
    public const string Null = "null";

    /// <summary>malloc by way of <see cref="System.Runtime.InteropServices.NativeMemory"/>.</summary>
    public const string NativeMemory = "NativeMemory";

    /// <summary>The garbage collector.</summary>
    public const string Gc = "GC";

    /// <summary>The shared array pool.</summary>
    public const string ArrayPool = "ArrayPool";

    /// <summary>All that run within this process, in the order of the tables; the empty loop first.</summary>
    public static readonly string[] All = [Null, Handle, Engine, .. InProcessPeers(), NativeMemory, Gc, ArrayPool];

    /// <summary>The same and the engine's hardened mode.</summary>
    public static readonly string[] AllAndHardened = [Null, Handle, HandleHardened, .. All[2..]];

    /// <summary>What a C# user would take instead of the engine.</summary>
    public static readonly string[] PicksOfCSharp = [.. InProcessPeers(), NativeMemory, Gc, ArrayPool];

    /// <summary>The native allocators, run natively: by them the targets are set.</summary>
    public static readonly string[] NativePeers = Array.ConvertAll(Peer.All, peer => OfC(peer.Name));

    /// <summary>The name of a contestant that the native driver runs.</summary>
    public static string OfC(string name) => name + " (C)";

    /// <summary>The name of a contestant in the program that was compiled ahead of time.</summary>
    public static string OfAheadOfTime(string name) => name + " (AOT)";

    private static string[] InProcessPeers() => Array.ConvertAll(Peer.All, peer => peer.Name);
}
