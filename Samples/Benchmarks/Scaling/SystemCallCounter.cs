using System.Runtime.InteropServices;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>
/// Counts a thread's system calls by <c>Native/system_calls.c</c>, of which the parent process made a library. Between beginning and end
/// nothing may be called for the first time, or the compiler's calls are counted.
/// </summary>
internal sealed unsafe class SystemCallCounter
{
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<int> _begin;
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<long> _end;

    /// <summary>Loads the library.</summary>
    /// <exception cref="RunFailedException">It is none.</exception>
    public SystemCallCounter(string path)
    {
        if (!NativeLibrary.TryLoad(path, out nint library)
            || !NativeLibrary.TryGetExport(library, "system_calls_begin", out nint begin)
            || !NativeLibrary.TryGetExport(library, "system_calls_end", out nint end))
        {
            throw new RunFailedException($"{path} does not count system calls");
        }

        _begin = (delegate* unmanaged[Cdecl, SuppressGCTransition]<int>)begin;
        _end = (delegate* unmanaged[Cdecl, SuppressGCTransition]<long>)end;
    }

    /// <summary>Begins to count the calling thread's.</summary>
    /// <returns>False where this system does not offer it; then there is no end.</returns>
    public bool TryBegin() => _begin() == 0;

    /// <summary>Ends it.</summary>
    /// <returns>How many there were.</returns>
    public long End() => _end();
}
