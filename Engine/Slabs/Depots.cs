using Engine.Core;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// One arena's magazines between threads: for each size class a stack of full ones, for whoever needs blocks, and a stack of empty ones,
/// for whoever has a full one to give. Under the class's lock for a few instructions; the blocks are not touched.
/// A full one in the depot is free memory: <see cref="ArenaSlabs"/> returns it to the runs before the arena grows.
/// </summary>
internal sealed unsafe class Depots(ClassState* classes, MetadataHeap heap)
{
    /// <summary>A full magazine, or null.</summary>
    /// <param name="sizeClass">The class of its blocks.</param>
    /// <param name="empty">What is given for it, or null; kept by the caller when there is no full one.</param>
    public Magazine* TakeFull(int sizeClass, Magazine* empty)
    {
        ClassState* state = classes + sizeClass;
        if (state->FullCount == 0)
        {
            return null;
        }

        NativeLock.Enter(&state->Lock);
        Magazine* full = Pop(&state->Full);
        if (full != null)
        {
            state->FullCount--;
            if (empty != null)
            {
                Push(&state->Empty, empty);
            }
        }

        NativeLock.Exit(&state->Lock);
        return full;
    }

    /// <summary>Gives a full magazine for an empty one. Null, and nothing has changed, where the depot is full or has no empty one.</summary>
    public Magazine* TakeEmpty(int sizeClass, Magazine* full)
    {
        ClassState* state = classes + sizeClass;
        if (state->Empty == null)
        {
            return null;
        }

        NativeLock.Enter(&state->Lock);
        Magazine* empty = state->FullCount < state->DepotLimit ? Pop(&state->Empty) : null;
        if (empty != null)
        {
            Push(&state->Full, full);
            state->FullCount++;
        }

        NativeLock.Exit(&state->Lock);
        return empty;
    }

    /// <summary>Whether a full magazine would be taken in now. Another thread may be faster.</summary>
    public bool HasRoom(int sizeClass) => classes[sizeClass].FullCount < classes[sizeClass].DepotLimit;

    /// <summary>Gives a full magazine for nothing. False where the depot is full: the caller keeps it.</summary>
    public bool TryDeposit(int sizeClass, Magazine* full)
    {
        ClassState* state = classes + sizeClass;
        NativeLock.Enter(&state->Lock);
        bool room = state->FullCount < state->DepotLimit;
        if (room)
        {
            Push(&state->Full, full);
            state->FullCount++;
        }

        NativeLock.Exit(&state->Lock);
        return room;
    }

    /// <summary>Whether a block is in one of the full magazines.</summary>
    public bool Holds(int sizeClass, nuint block)
    {
        ClassState* state = classes + sizeClass;
        bool found = false;
        NativeLock.Enter(&state->Lock);
        for (Magazine* full = state->Full; full != null && !found; full = full->Next)
        {
            found = Magazine.BlocksOfFull(full, state->MagazineBlocks).Contains(block);
        }

        NativeLock.Exit(&state->Lock);
        return found;
    }

    /// <summary>Adds the free blocks of all full magazines.</summary>
    public void CollectFree(HashSet<nuint> free)
    {
        for (int sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            ClassState* state = classes + sizeClass;
            NativeLock.Enter(&state->Lock);
            for (Magazine* full = state->Full; full != null; full = full->Next)
            {
                free.UnionWith(Magazine.BlocksOfFull(full, state->MagazineBlocks).ToArray());
            }

            NativeLock.Exit(&state->Lock);
        }
    }

    /// <summary>Frees a class's magazines, without looking at their blocks.</summary>
    public void Drop(int sizeClass)
    {
        ClassState* state = classes + sizeClass;
        state->FullCount = 0;
        FreeAll(&state->Full);
        FreeAll(&state->Empty);
    }

    /// <summary>A full magazine, which becomes one of the empty ones, or null. Under the class's lock; its blocks are the caller's to return.</summary>
    public static Magazine* Unload(ClassState* state)
    {
        Magazine* full = Pop(&state->Full);
        if (full != null)
        {
            state->FullCount--;
            Push(&state->Empty, full);
        }

        return full;
    }

    /// <summary>Frees the empty ones. Under the class's lock.</summary>
    public void FreeEmpty(ClassState* state) => FreeAll(&state->Empty);

    private static void Push(Magazine** stack, Magazine* magazine)
    {
        magazine->Next = *stack;
        *stack = magazine;
    }

    private static Magazine* Pop(Magazine** stack)
    {
        Magazine* magazine = *stack;
        if (magazine != null)
        {
            *stack = magazine->Next;
        }

        return magazine;
    }

    private void FreeAll(Magazine** stack)
    {
        for (Magazine* magazine = Pop(stack); magazine != null; magazine = Pop(stack))
        {
            heap.Free(magazine, Magazine.Bytes);
        }
    }
}
