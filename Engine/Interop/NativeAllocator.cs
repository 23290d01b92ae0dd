using System.Diagnostics.CodeAnalysis;

namespace SuperSlab.Interop;

/// <summary>
/// An arena as C libraries ask for memory: by function pointers (<see cref="NativeFunctions"/> with
/// <see cref="UserData"/>, or <see cref="BindPlain"/> and <see cref="BindSizeQuery"/> where C passes none), which
/// return
/// null when memory or a budget ends. No exception leaves them: refusals and wrong frees are counted, and the first of
/// each is kept with its stack. Any thread where the arena allows any, threads too that .NET has never seen.
/// </summary>
/// <remarks>
/// Dispose it when the library has stopped using it and before the arena; functions called later return null and free
/// nothing.
/// </remarks>
public sealed unsafe class NativeAllocator : IDisposable
{
    private readonly LongLivedArena? _arena;
    private readonly SmallArena _small;
    private readonly NativeAllocatorOptions _options;
    private readonly long _budgetBytes;
    private readonly int _number;
    private long _liveBytes;
    private long _elsewhereBytes;
    private long _failsIn;
    private long _refusals;
    private long _misuses;
    private NativeFailure? _firstRefusal;
    private NativeFailure? _firstMisuse;

    /// <summary>Whether allocating and freeing are the arena's own calls and nothing else.</summary>
    private volatile bool _isPlain;

    internal NativeAllocator(LongLivedArena? arena, SmallArena small, NativeAllocatorOptions? options)
    {
        _arena = arena;
        _small = small;
        _options = options ?? new NativeAllocatorOptions();
        _budgetBytes = checked((long)_options.BudgetBytes);
        Name = _options.Name ?? arena?.Name ?? small.Name;
        _isPlain = IsPlain;
        _number = NativeBindings.Add(this);
    }

    /// <summary>The name in messages.</summary>
    public string Name { get; }

    /// <summary>What C hands back to the functions of <see cref="NativeFunctions"/>.</summary>
    public nint UserData => _number;

    /// <summary>
    /// The allocator for C code that includes engine_memory.h (its engine_arena): there allocating and freeing are
    /// inline, without a call of C#. The fast path passes a tag, a budget, checks and <see cref="FailAfter"/> by, so an
    /// allocator with one of them serves such code by functions, and its threads take their handles afterwards.
    /// </summary>
    public nint Inline =>
        NativeBindings.InlineOf(this, IsInline && _arena!.HasPlainBlocks ? _arena : null);

    /// <summary>Bytes of the live blocks, counted where there is a <see cref="NativeAllocatorOptions.BudgetBytes"/>;
    /// else 0.</summary>
    public nuint LiveBytes => (nuint)Volatile.Read(ref _liveBytes);

    /// <summary>Bytes that the library said it got elsewhere, such as executable memory of a Vulkan driver.</summary>
    public long ElsewhereBytes => Volatile.Read(ref _elsewhereBytes);

    /// <summary>How often a function returned null because memory or a budget had ended.</summary>
    public long RefusalCount => Volatile.Read(ref _refusals);

    /// <summary>The first of them; null where there was none.</summary>
    public NativeFailure? FirstRefusal => Volatile.Read(ref _firstRefusal);

    /// <summary>How often C freed, reallocated or asked about what was no live block. Nothing was changed by
    /// it.</summary>
    public long MisuseCount => Volatile.Read(ref _misuses);

    /// <summary>The first of them; null where there was none.</summary>
    public NativeFailure? FirstMisuse => Volatile.Read(ref _firstMisuse);

    /// <summary>Inline code counts nothing.</summary>
    private bool IsInline => _isPlain && !CounterSwitch.IsOn;

    private bool IsPlain =>
        _arena is not null && _options.Tag is null && _budgetBytes == 0 && Volatile.Read(ref _failsIn) <= 0;

    /// <summary>
    /// Binds the allocator to functions of its own, for a library whose hooks have no user data. Free it with
    /// <see cref="Dispose"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">All 8 bindings of the process are in use.</exception>
    public PlainFunctions BindPlain() => NativeBindings.BindPlain(this);

    /// <summary>Binds the allocator to the functions of SQLite's sqlite3_mem_methods. One in a process.</summary>
    /// <exception cref="InvalidOperationException">Another allocator is bound to them.</exception>
    public SizeQueryFunctions BindSizeQuery() => NativeBindings.BindSizeQuery(this);

    /// <summary>Makes one allocation or reallocation from now on return null, to test how a library takes it.</summary>
    /// <param name="calls">1 is the next; 0 ends a wait that is under way.</param>
    public void FailAfter(long calls)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(calls);
        Volatile.Write(ref _failsIn, calls);
        _isPlain = IsPlain;
    }

    /// <summary>Makes the calling thread's cache before its first allocation; see
    /// <see cref="LongLivedArena.AttachThread"/>. A native thread calls <see
    /// cref="NativeFunctions.AttachThread"/>.</summary>
    public void AttachThread() => _arena?.AttachThread();

    /// <summary>Ends the functions; the arena and its blocks stay. A second call does nothing.</summary>
    public void Dispose() => NativeBindings.Remove(this, _number);

    internal void* Allocate(nuint bytes, nuint alignment = SizeClasses.Quantum)
    {
        try
        {
            return _isPlain && alignment <= SizeClasses.Quantum ? _arena!.Allocate(bytes)
                : AllocateCounted(bytes, alignment);
        }
        catch (Exception exception)
        {
            return Refused(exception);
        }
    }

    /// <summary>The calling thread's cache for inline code; the detached one where each call is a function's.</summary>
    internal ThreadCache* CacheOfThread()
    {
        try
        {
            return IsInline ? _arena!.TakeCache() : ThreadCache.Detached;
        }
        catch (Exception exception) when (exception is EngineMemoryException or ObjectDisposedException)
        {
            // The call that follows fails for the same reason, and says it.
            return ThreadCache.Detached;
        }
    }

    /// <summary>Allocates for inline code, whose thread has a cache.</summary>
    internal void* Allocate(ThreadCache* cache, nuint bytes, nuint alignment)
    {
        if (!_isPlain || cache == ThreadCache.Detached)
            return Allocate(bytes, alignment);

        try
        {
            return new ArenaHandle(_arena!, cache).Allocate(bytes, alignment);
        }
        catch (Exception exception)
        {
            return Refused(exception);
        }
    }

    /// <summary>Frees for inline code, whose thread has a cache.</summary>
    internal void Free(ThreadCache* cache, void* block)
    {
        if (block == null || !_isPlain || cache == ThreadCache.Detached)
        {
            Free(block);
            return;
        }

        try
        {
            new ArenaHandle(_arena!, cache).Free(block);
        }
        catch (Exception exception)
        {
            Misused(exception);
        }
    }

    internal void* AllocateZeroed(nuint count, nuint bytes)
    {
        UInt128 product = (UInt128)count * bytes;
        nuint all = product > nuint.MaxValue ? nuint.MaxValue : (nuint)product;
        void* block = Allocate(all);
        if (block != null)
            System.Runtime.InteropServices.NativeMemory.Clear(block, all);

        return block;
    }

    internal void* Reallocate(void* block, nuint bytes, nuint alignment = SizeClasses.Quantum)
    {
        if (block == null)
            return Allocate(bytes, alignment);

        try
        {
            return ReallocateCounted(block, bytes, alignment);
        }
        catch (Exception exception) when (IsRefusal(exception))
        {
            // C may refuse to make a block smaller, and Lua relies on that it does not: such a block stays.
            Refused(exception);
            return UsableBytes(block) >= bytes && (nuint)block % alignment == 0 ? block : null;
        }
        catch (Exception exception)
        {
            Misused(exception);
            return null;
        }
    }

    internal void Free(void* block)
    {
        if (block == null)
            return;

        try
        {
            if (_isPlain)
                _arena!.Free(block);
            else
                FreeCounted(block);
        }
        catch (Exception exception)
        {
            Misused(exception);
        }
    }

    internal void CountElsewhere(long bytes) => Interlocked.Add(ref _elsewhereBytes, bytes);

    internal nuint UsableBytes(void* block)
    {
        if (block == null)
            return 0;

        try
        {
            return Usable(block);
        }
        catch (Exception exception)
        {
            Misused(exception);
            return 0;
        }
    }

    private static bool IsRefusal(Exception exception) =>
        exception is EngineOutOfMemoryException or ArgumentOutOfRangeException;

    private nuint Usable(void* block) => _arena is not null ? _arena.UsableBytes(block) : _small.UsableBytes(block);

    private TagScope Tagged() => _options.Tag is { } tag ? tag.Begin() : default;

    private void* AllocateCounted(nuint bytes, nuint alignment)
    {
        CountDown();
        using TagScope tagged = Tagged();
        void* block = _arena is not null ? _arena.Allocate(bytes, alignment) : _small.Allocate(bytes, alignment);
        if (_budgetBytes != 0)
        {
            long usable = (long)Usable(block);
            if (Interlocked.Add(ref _liveBytes, usable) > _budgetBytes)
            {
                Interlocked.Add(ref _liveBytes, -usable);
                FreeInArena(block);
                ThrowOver(bytes);
            }
        }

        return block;
    }

    private void* ReallocateCounted(void* block, nuint bytes, nuint alignment)
    {
        CountDown();
        using TagScope tagged = Tagged();
        long before = 0;
        if (_budgetBytes != 0)
        {
            before = (long)Usable(block);
            long room = _budgetBytes - Volatile.Read(ref _liveBytes) + before;
            if (bytes > (nuint)long.Max(0, room) || (long)LongLivedArena.BlockBytes(bytes, alignment) > room)
                ThrowOver(bytes);
        }

        void* moved = _arena is not null ? _arena.Reallocate(block, bytes, alignment)
            : _small.Reallocate(block, bytes, alignment);
        if (_budgetBytes != 0)
            Interlocked.Add(ref _liveBytes, (long)Usable(moved) - before);

        return moved;
    }

    private void FreeCounted(void* block)
    {
        using TagScope tagged = Tagged();
        long bytes = _budgetBytes == 0 ? 0 : (long)Usable(block);
        FreeInArena(block);
        if (bytes != 0)
            Interlocked.Add(ref _liveBytes, -bytes);
    }

    private void FreeInArena(void* block)
    {
        if (_arena is not null)
            _arena.Free(block);
        else
            _small.Free(block);
    }

    private void CountDown()
    {
        if (Volatile.Read(ref _failsIn) > 0 && Interlocked.Decrement(ref _failsIn) == 0)
        {
            _isPlain = IsPlain;
            throw new EngineOutOfMemoryException($"Native allocator '{Name}' was told to refuse this call.");
        }
    }

    [DoesNotReturn]
    private void ThrowOver(nuint bytes) => throw new EngineOutOfMemoryException(
        $"Native allocator '{Name}' holds {Sizes.Text(LiveBytes)} and asked for {Sizes.Text(bytes)} more, over its "
        + $"budget of {Sizes.Text(_options.BudgetBytes)}.");

    private void* Refused(Exception exception)
    {
        if (!IsRefusal(exception))
            Misused(exception);
        else if (Interlocked.Increment(ref _refusals) == 1)
            Keep(ref _firstRefusal, exception);

        return null;
    }

    private void Misused(Exception exception)
    {
        if (Interlocked.Increment(ref _misuses) == 1)
            Keep(ref _firstMisuse, exception);

        try
        {
            (_options.OnMisuse ?? Console.Error.WriteLine)($"A C library misused native allocator '{Name}': "
                + exception.Message);
        }
        catch (Exception)
        {
            // The listener's exception must not reach C; the misuse is counted and kept.
        }
    }

    private static void Keep(ref NativeFailure? first, Exception exception)
    {
        try
        {
            string stack = $"{exception.StackTrace}{Environment.NewLine}{Environment.StackTrace}";
            Volatile.Write(ref first, new NativeFailure(exception.Message, stack));
        }
        catch (OutOfMemoryException)
        {
            // The count says that there was one.
        }
    }
}

/// <summary>What a <see cref="NativeAllocator"/> is made with.</summary>
public sealed record NativeAllocatorOptions
{
    /// <summary>The name in messages; null, the default, takes the arena's.</summary>
    public string? Name { get; init; }

    /// <summary>The tag under which the library's blocks stand in profiles; null, the default, leaves the thread's in
    /// force.</summary>
    public AllocationTag? Tag { get; init; }

    /// <summary>The bytes of blocks that may live at a time, beside the arena's own budget; 0, the default, is no
    /// limit.
    /// Counting them costs two atomic additions a block.</summary>
    public nuint BudgetBytes { get; init; }

    /// <summary>Receives a sentence for each wrong free or reallocation, on the thread that did it. Null, the default,
    /// writes to standard error.</summary>
    public Action<string>? OnMisuse { get; init; }
}

/// <summary>The first of a kind of failures.</summary>
/// <param name="Message">What went wrong.</param>
/// <param name="CallStack">The managed frames: in the arena, then those that called C.</param>
public sealed record NativeFailure(string Message, string CallStack);

/// <summary>Makes arenas into allocators for C.</summary>
public static class NativeAllocatorExtensions
{
    /// <summary>The arena as an allocator for C libraries, on any thread. Not for the hot loop; its functions
    /// are.</summary>
    /// <param name="arena">It must outlive the library's use of the allocator.</param>
    /// <param name="options">Null takes the defaults.</param>
    public static NativeAllocator ToNativeAllocator(this LongLivedArena arena, NativeAllocatorOptions? options)
    {
        ArgumentNullException.ThrowIfNull(arena);
        return new NativeAllocator(arena, default, options);
    }

    /// <inheritdoc cref="ToNativeAllocator(LongLivedArena, NativeAllocatorOptions?)"/>
    public static NativeAllocator ToNativeAllocator(this LongLivedArena arena) => arena.ToNativeAllocator(null);

    /// <summary>A small arena as an allocator for C, on the threads that the arena allows.</summary>
    /// <inheritdoc cref="ToNativeAllocator(LongLivedArena, NativeAllocatorOptions?)"/>
    public static NativeAllocator ToNativeAllocator(this SmallArena arena, NativeAllocatorOptions? options) =>
        new(null, arena, options);

    /// <inheritdoc cref="ToNativeAllocator(SmallArena, NativeAllocatorOptions?)"/>
    public static NativeAllocator ToNativeAllocator(this SmallArena arena) => arena.ToNativeAllocator(null);
}
