using System.Diagnostics.CodeAnalysis;
using Engine.Core;

namespace Engine.Platform;

/// <summary>
/// Asks whether the memory is there before it is taken. The kernel does not refuse a populate call that goes beyond
/// what a container or the machine has: it kills a process. So the question is asked first, and answered with an exception.
/// Asking reads several files, so after an ample answer a part of it is used up before it is asked again.
/// </summary>
internal sealed class MemoryHeadroom(VirtualMemory os)
{
    private const long TrustedBytes = 256 << 20;

    private long _creditBytes;

    /// <exception cref="EngineOutOfMemoryException">There is less than that; nothing was done.</exception>
    public void Take(nuint bytes)
    {
        if (bytes <= TrustedBytes && Interlocked.Add(ref _creditBytes, -(long)bytes) >= 0)
        {
            return;
        }

        nuint available = os.AvailableBytes(out string source);
        if (bytes > available)
        {
            ThrowTooMuch(bytes, available, source);
        }

        // Never trust more than a part of what is left: others take from it too.
        nuint trusted = (available - bytes) / 8;
        Interlocked.Exchange(ref _creditBytes, (long)nuint.Min(trusted, (nuint)TrustedBytes));
    }

    [DoesNotReturn]
    private static void ThrowTooMuch(nuint bytes, nuint available, string source) => throw new EngineOutOfMemoryException(
        $"Prefaulting {bytes} bytes needs more memory than there is: {available} bytes are available ({source}). Nothing was done.");
}
