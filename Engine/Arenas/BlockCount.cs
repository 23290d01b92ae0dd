using Engine.Slabs;

namespace Engine.Arenas;

/// <summary>How many blocks of a size will be live at the same time, thread caches included.</summary>
/// <param name="Bytes">The size in bytes; it stands for its whole size class. To say it for aligned blocks, give the block size of
/// <see cref="SizeClasses.IndexOf(nuint, nuint)"/>.</param>
/// <param name="Count">How many blocks.</param>
/// <param name="Threads">How many threads allocate or free blocks of this class; 0 where all may.</param>
public readonly record struct BlockCount(nuint Bytes, long Count, int Threads = 0)
{
    /// <summary>So many blocks that hold one <typeparamref name="T"/> each.</summary>
    public static BlockCount Of<T>(long count, int threads = 0)
        where T : unmanaged => new((nuint)System.Runtime.CompilerServices.Unsafe.SizeOf<T>(), count, threads);
}
