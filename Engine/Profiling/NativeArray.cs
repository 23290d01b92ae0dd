using System.Runtime.InteropServices;

namespace Engine.Profiling;

/// <summary>
/// The profiler's own memory: taken from the system's allocator and not from the engine, which it measures, and written through once, so
/// that using it faults nothing. One thread.
/// </summary>
internal sealed unsafe class NativeArray<T> : IDisposable
    where T : unmanaged
{
    private const nuint Alignment = 64;
    private T* _first;

    public NativeArray(int length)
    {
        Length = length;
        nuint bytes = checked((nuint)length * (nuint)sizeof(T));
        _first = (T*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Fill(_first, bytes, 0xFF);
        NativeMemory.Clear(_first, bytes);
    }

    ~NativeArray() => Free();

    public int Length { get; }

    public Span<T> Span => new(_first, _first == null ? 0 : Length);

    public ref T this[int index] => ref Span[index];

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_first);
        _first = null;
    }
}
