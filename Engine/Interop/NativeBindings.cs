using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Interop;

/// <summary>
/// Which allocator a function called by C means: by the number in its user data, or, where C passes none, by the
/// function
/// itself, so such an allocator is bound to functions of its own. Their bodies stand in
/// <c>NativeBindings.Functions.cs</c>.
/// </summary>
internal static unsafe partial class NativeBindings
{
    private const int BindingCount = 8;

    private static readonly Lock s_lock = new();
    private static readonly Stack<int> s_unused = [];

    /// <summary>By their numbers, from 1. Replaced when it grows.</summary>
    private static NativeAllocator?[] s_all = new NativeAllocator?[16];
    private static int s_end = 1;

    /// <summary>By the same numbers, made when they are asked for.</summary>
    private static readonly List<nint> s_inline = [];
    private static readonly NativeAllocator?[] s_bound = new NativeAllocator?[BindingCount];
    private static NativeAllocator? s_sizeQuery;

    /// <summary>The allocator of a user data; null where it is disposed or was none.</summary>
    public static NativeAllocator? At(nint number)
    {
        NativeAllocator?[] all = s_all;
        return (nuint)number < (nuint)all.Length ? all[number] : null;
    }

    public static int Add(NativeAllocator allocator)
    {
        lock (s_lock)
        {
            if (!s_unused.TryPop(out int number))
            {
                number = s_end++;
                if (number == s_all.Length)
                {
                    NativeAllocator?[] grown = new NativeAllocator?[2 * number];
                    s_all.CopyTo(grown, 0);
                    Volatile.Write(ref s_all, grown);
                }
            }

            s_all[number] = allocator;
            return number;
        }
    }

    public static void Remove(NativeAllocator allocator, int number)
    {
        lock (s_lock)
        {
            if (s_all[number] != allocator)
                return;

            s_all[number] = null;
            s_unused.Push(number);
            if (number < s_inline.Count)
                NativeArena.Forget((NativeArena*)s_inline[number]);

            int binding = Array.IndexOf(s_bound, allocator);
            if (binding >= 0)
                s_bound[binding] = null;

            if (s_sizeQuery == allocator)
                s_sizeQuery = null;
        }
    }

    /// <summary>What inline code reads of an allocator.</summary>
    public static nint InlineOf(NativeAllocator allocator, LongLivedArena? arena)
    {
        lock (s_lock)
        {
            int number = (int)allocator.UserData;
            ObjectDisposedException.ThrowIf(At(number) != allocator, allocator);
            while (s_inline.Count <= number)
                s_inline.Add(0);

            return s_inline[number] = (nint)NativeArena.Describe((NativeArena*)s_inline[number], number, arena);
        }
    }

    public static PlainFunctions BindPlain(NativeAllocator allocator)
    {
        lock (s_lock)
        {
            ObjectDisposedException.ThrowIf(At(allocator.UserData) != allocator, allocator);
            int binding = Array.IndexOf(s_bound, allocator);
            binding = binding < 0 ? Array.IndexOf(s_bound, null) : binding;
            if (binding < 0)
            {
                throw new InvalidOperationException(
                    $"All {BindingCount} bindings of native allocators are in use; dispose one of them first.");
            }

            s_bound[binding] = allocator;
            return FunctionsOf(binding);
        }
    }

    public static SizeQueryFunctions BindSizeQuery(NativeAllocator allocator)
    {
        lock (s_lock)
        {
            ObjectDisposedException.ThrowIf(At(allocator.UserData) != allocator, allocator);
            if (s_sizeQuery is not null && s_sizeQuery != allocator)
            {
                throw new InvalidOperationException(
                    $"Native allocator '{s_sizeQuery.Name}' is bound to the functions of SQLite; dispose it first.");
            }

            s_sizeQuery = allocator;
            return new(&QueryAllocate, &QueryFree, &QueryReallocate, &QueryUsable, &QueryRoundUp, &QueryStart, &QueryEnd);
        }
    }

    /// <summary>For libraries that would abort otherwise: the refusal is counted already.</summary>
    public static void* NoMemory => (delegate* unmanaged[Cdecl]<void>)&Ignore;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Ignore()
    {
    }

    private static void* Allocate(int binding, nuint bytes) =>
        s_bound[binding] is { } allocator ? allocator.Allocate(bytes) : null;

    private static void* AllocateZeroed(int binding, nuint count, nuint bytes) =>
        s_bound[binding] is { } allocator ? allocator.AllocateZeroed(count, bytes) : null;

    private static void* Reallocate(int binding, void* block, nuint bytes) =>
        s_bound[binding] is { } allocator ? allocator.Reallocate(block, bytes) : null;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* QueryAllocate(int bytes) =>
        bytes >= 0 && s_sizeQuery is { } allocator ? allocator.Allocate((nuint)bytes) : null;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void QueryFree(void* block) => s_sizeQuery?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* QueryReallocate(void* block, int bytes) =>
        bytes >= 0 && s_sizeQuery is { } allocator ? allocator.Reallocate(block, (nuint)bytes) : null;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int QueryUsable(void* block) =>
        (int)nuint.Min(int.MaxValue, s_sizeQuery?.UsableBytes(block) ?? 0);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int QueryRoundUp(int bytes) =>
        bytes < 0 ? bytes : (int)nuint.Min(int.MaxValue, LongLivedArena.BlockBytes((nuint)bytes));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int QueryStart(void* user) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void QueryEnd(void* user)
    {
    }
}
