using System.Runtime.CompilerServices;

namespace Engine.Platform;

/// <summary>One page fault as the kernel recorded it in detail.</summary>
internal struct FaultSample
{
    public const int MaximumCallers = 8;

    /// <summary>On the clock of Stopwatch, in nanoseconds.</summary>
    public long Time;

    public nuint Address;

    /// <summary>Whether the kernel took it at the program's address, in a system call.</summary>
    public bool IsByKernel;

    public int CallerCount;

    /// <summary>The program's instruction that faulted, or called the kernel, then its callers.</summary>
    public Chain Callers;

    [InlineArray(MaximumCallers)]
    public struct Chain
    {
        private nuint _first;
    }
}
