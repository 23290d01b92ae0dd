using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace SuperSlab.NativeLibrary;

/// <summary>What a function of the library returns: engine_result of engine_memory.h.</summary>
internal enum Result
{
    Ok,
    OutOfMemory,
    BadArgument,
    BadPlan,
    BadState,
    Damaged,
    Failed,
}

/// <summary>
/// How functions of the library end: no exception leaves them. Each becomes a code, and a sentence that the calling
/// thread can ask for.
/// </summary>
internal static unsafe class Calls
{
    [ThreadStatic]
    private static KeptSentence? t_message;

    /// <summary>The sentence of the thread's last failure, zero-terminated UTF-8; empty before the first.</summary>
    public static byte* Message => (t_message ??= new KeptSentence(string.Empty)).Bytes;

    /// <summary>Does a function's work.</summary>
    public static Result Run(Action work)
    {
        try
        {
            work();
            return Result.Ok;
        }
        catch (Exception exception)
        {
            return Failed(exception);
        }
    }

    /// <summary>Keeps an exception's sentence.</summary>
    /// <returns>Its code.</returns>
    public static Result Failed(Exception exception)
    {
        t_message?.Dispose();
        t_message = null;
        t_message = new KeptSentence(exception.Message);
        return CodeOf(exception);
    }

    private static Result CodeOf(Exception exception) => exception switch
    {
        EngineOutOfMemoryException or OutOfMemoryException => Result.OutOfMemory,
        Scenes.ScenePlanException => Result.BadPlan,
        EngineMemoryException => Result.Damaged,
        ArgumentException or OverflowException => Result.BadArgument,
        InvalidOperationException => Result.BadState,
        _ => Result.Failed,
    };

    /// <summary>A sentence that C reads; freed with the thread that it is for.</summary>
    private sealed class KeptSentence : IDisposable
    {
        public KeptSentence(string sentence)
        {
            int bytes = Encoding.UTF8.GetByteCount(sentence);
            Bytes = (byte*)NativeMemory.Alloc((nuint)bytes + 1);
            Encoding.UTF8.GetBytes(sentence, new Span<byte>(Bytes, bytes));
            Bytes[bytes] = 0;
        }

        ~KeptSentence() => NativeMemory.Free(Bytes);

        public byte* Bytes { get; private set; }

        public void Dispose()
        {
            NativeMemory.Free(Bytes);
            Bytes = null;
            GC.SuppressFinalize(this);
        }
    }
}

/// <summary>
/// What C holds: numbers that look like pointers and are never followed, and the addresses of engine_arenas. A stale or
/// invented one is told. Any thread.
/// </summary>
internal static class HeldHandles
{
    private static readonly ConcurrentDictionary<nint, object> s_all = new();
    private static long s_last;

    public static nint Add(object held)
    {
        // Odd, so none is the address of an engine_arena.
        nint handle = (nint)((Interlocked.Increment(ref s_last) << 1) | 1);
        Put(handle, held);
        return handle;
    }

    public static void Put(nint handle, object held) => s_all[handle] = held;

    public static void Remove(nint handle) => s_all.TryRemove(handle, out _);

    /// <exception cref="ArgumentException">No living object of this kind has the handle.</exception>
    public static T Find<T>(nint handle, string kind)
        where T : class =>
        s_all.TryGetValue(handle, out object? held) && held is T found ? found
            : throw new ArgumentException($"0x{handle:x} is no living {kind}.");
}
