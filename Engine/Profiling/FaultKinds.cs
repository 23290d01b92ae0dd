using Engine.Arenas;

namespace Engine.Profiling;

/// <summary>The kinds of owners in a table of page faults, as <see cref="ProfileFaultOwner.Kind"/> has them.</summary>
public static class FaultKinds
{
    /// <summary>Memory of an arena's blocks.</summary>
    public const string Payload = "SuperSlab payload";

    /// <summary>Memory of a frame arena.</summary>
    public const string FrameLane = "frame lane";

    /// <summary>A thread's cache of an arena, or a magazine in it.</summary>
    public const string ThreadCache = "thread cache";

    /// <summary>The allocator's tables and its heap.</summary>
    public const string Metadata = "allocator metadata";

    /// <summary>SuperSlabs that no arena owns at that moment.</summary>
    public const string Unowned = "unowned SuperSlab";

    /// <summary>The garbage collector's heap.</summary>
    public const string GcHeap = "GC heap";

    /// <summary>Compiled methods and what the runtime keeps beside them.</summary>
    public const string JitCode = "JIT code";

    /// <summary>A thread's stack, with its thread-local data, or the stack of its signal handlers.</summary>
    public const string ThreadStack = "thread stack";

    /// <summary>Code and data of a native library.</summary>
    public const string Library = "native library";

    /// <summary>Code and data of the program itself.</summary>
    public const string Program = "program";

    /// <summary>Code and data of a managed assembly's file.</summary>
    public const string Assembly = "assembly";

    /// <summary>Another mapped file.</summary>
    public const string File = "file";

    /// <summary>The C library's heap.</summary>
    public const string MallocHeap = "malloc heap";

    /// <summary>Memory of which the kernel knows no name; who touched it is said instead.</summary>
    public const string Anonymous = "anonymous memory";

    /// <summary>What else the kernel has a name for.</summary>
    public const string Other = "other mapping";

    /// <summary>A mapping that came and was gone again between two looks at the address space.</summary>
    public const string Vanished = "short-lived mapping";

    /// <summary>Pages that the kernel put there without a fault, because a call asked for it, such as a populating one of the engine.</summary>
    public const string Populated = "populated on request";

    /// <summary>Faults that were counted and found no room in the ring.</summary>
    public const string Lost = "lost";

    /// <summary>Faults of a thread that are only counted.</summary>
    public const string Thread = "thread";

    internal static string Of(AddressOwner.Use part) => part switch
    {
        AddressOwner.Use.Block or AddressOwner.Use.Extent or AddressOwner.Use.FreeSlab => Payload,
        AddressOwner.Use.Lane or AddressOwner.Use.SpareLaneMemory => FrameLane,
        AddressOwner.Use.Cache or AddressOwner.Use.Magazine => ThreadCache,
        AddressOwner.Use.Unowned => Unowned,
        _ => Metadata,
    };
}
