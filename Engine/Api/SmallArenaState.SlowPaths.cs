using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace SuperSlab;

/// <content>
/// What takes memory of the group or calls the user's code: slabs and large blocks, checks, load contexts. All under no
/// lock.
/// </content>
internal sealed unsafe partial class SmallArenaState : IBlockSource
{
    nuint IBlockSource.Take(nuint bytes, nuint alignment) => Take(_generation, bytes, alignment);

    nuint IBlockSource.BytesOf(nuint block)
    {
        long generation = _generation;
        Enter(generation);
        SmallBlock found = Find((void*)block, out _);
        Exit();
        return found.Bytes;
    }

    void IBlockSource.Return(nuint block) => _ = Return(_generation, (void*)block);

    void IBlockSource.ReleaseUnused()
    {
        // A slab without blocks has gone already.
    }

    /// <summary>Large blocks, checks, and slabs without room.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void* AllocateSlow(long generation, nuint bytes, nuint alignment)
    {
        ThrowIfStale(generation);
        if (bytes > group.MaximumBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes, $"A block of {Sizes.Exact(bytes)} was asked for; arena '{Name}' can hold blocks "
                    + $"of at most {Sizes.Text(group.MaximumBytes)}.");
        }

        nuint block = _checked is not null
            ? (nuint)_checked.Allocate(bytes, alignment, AllocationTag.CurrentName)
            : Take(generation, bytes, alignment);
        if (CounterSwitch.IsOn)
            Count(block, UsableBytes(generation, (void*)block), 0);

        _tracker?.Add(block, bytes);
        return (void*)block;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void FreeSlow(long generation, void* block)
    {
        ThrowIfStale(generation);
        if (block == null)
            return;

        group.ThrowIfNotOf(Name, blocks, (nuint)block);
        nuint bytes = _checked?.BytesOf(block, "freed") ?? UsableBytes(generation, block);
        _tracker?.Remove((nuint)block);
        if (CounterSwitch.IsOn)
            group.ForgetSample((nuint)block);

        try
        {
            // Damage to earlier blocks is reported after this one is freed.
            if (_checked is not null)
                _checked.Free(block, AllocationTag.CurrentName);
            else
                _ = Return(generation, block);
        }
        finally
        {
            if (CounterSwitch.IsOn)
                Count(0, 0, bytes);
        }
    }

    /// <summary>Takes a block, if need be with another slab.</summary>
    private nuint Take(long generation, nuint bytes, nuint alignment)
    {
        bool isLarge = !SmallBlocks.IsInSlabs(bytes, alignment);
        nuint block = 0;
        if (!isLarge)
        {
            Enter(generation);
            block = SmallBlocks.TryTake(blocks, bytes, alignment);
            Exit();
        }

        if (block != 0)
            return block;

        SmallSlab* slab = group.Lend(_budget, isLarge ? nuint.Max(bytes, 1) : 0, alignment);
        bool isUsed = false;
        try
        {
            Enter(generation);
            if (isLarge)
            {
                SmallBlocks.AdoptLarge(blocks, slab);
                block = slab->Start;
            }
            else
            {
                // Others may have freed blocks meanwhile.
                block = SmallBlocks.TryTake(blocks, bytes, alignment);
            }

            isUsed = block == 0 || isLarge;
            if (block == 0)
            {
                SmallBlocks.Adopt(blocks, slab);
                block = SmallBlocks.TryTake(blocks, bytes, alignment);
            }

            Exit();
        }
        finally
        {
            if (!isUsed)
                group.TakeBack(_budget, slab);
        }

        return block;
    }

    private void* ReallocateByCopy(long generation, void* block, nuint kept, nuint bytes, nuint alignment)
    {
        void* moved = Allocate(generation, bytes, alignment);
        Buffer.MemoryCopy(block, moved, kept, kept);
        bool isFreed = false;
        try
        {
            Free(generation, block);
            isFreed = true;
        }
        finally
        {
            // The caller keeps a block that cannot be freed, and the copy is nobody's.
            if (!isFreed)
                Free(generation, moved);
        }

        return moved;
    }

    /// <summary>Grows a large block as the group's memory can: in place, by moving pages, or by a copy.</summary>
    private void* GrowLarge(long generation, void* block, nuint bytes, nuint alignment)
    {
        if (bytes > group.MaximumBytes)
            return AllocateSlow(generation, bytes, SizeClasses.Quantum);

        _ = Find(block, out SmallSlab* large);
        nuint before = large->LargeBytes;
        AllocationTracker.Origin? origin = _tracker?.Take((nuint)block);
        SampledBlock? sample = CounterSwitch.IsOn ? group.TakeSample((nuint)block) : null;
        nuint grown = 0;
        try
        {
            grown = group.Grow(_budget, large, bytes, alignment);
        }
        finally
        {
            if (origin is { } known)
                _tracker?.Put(grown == 0 ? (nuint)block : grown, grown == 0 ? known : known with { Bytes = bytes });

            if (grown == 0 && sample is { } lives)
                group.PutSample((nuint)block, lives);
        }

        Enter(generation);
        SmallBlocks.Grown(blocks, large->LargeBytes - before);
        Exit();
        if (CounterSwitch.IsOn)
        {
            Count(0, 0, before);
            Count(grown, large->LargeBytes, 0);
        }

        return (void*)grown;
    }

    private void JoinContext(AssemblyLoadContext context, long generation)
    {
        _context = new WeakReference<AssemblyLoadContext>(context);
        _onUnloading = _ => Dispose(generation);
        context.Unloading += _onUnloading;
    }

    private void LeaveContext()
    {
        if (_context!.TryGetTarget(out AssemblyLoadContext? context))
            context.Unloading -= _onUnloading;

        _context = null;
        _onUnloading = null;
    }
}
