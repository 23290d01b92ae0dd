using System.Globalization;
using System.Runtime.CompilerServices;
using Engine;
using Engine.Arenas;

namespace Samples.FastPath;

/// <summary>
/// Allocates and frees a block of 64 bytes so often, and does nothing else: for tools that count instructions. The difference between two
/// counts of repetitions is what the pairs took; <c>count-instructions</c> does that. Arguments: a way, and how often.
/// </summary>
internal static unsafe class Program
{
    private const nuint Bytes = 64;

    private static int Main(string[] arguments)
    {
        if (arguments.Length != 2 || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count))
        {
            Console.Error.WriteLine("error: expected a way (empty, handle, handle-variable, typed, implicit) and how often");
            return 2;
        }

        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("fast path");
        arena.Free(arena.Allocate(Bytes));
        switch (arguments[0])
        {
            case "empty":
                int place;
                Empty(count, &place);
                break;
            case "handle":
                Handle(arena, count);
                break;
            case "handle-variable":
                HandleVariable(arena, count, Bytes);
                break;
            case "typed":
                Typed(arena, count);
                break;
            case "implicit":
                Implicit(arena, count, Bytes);
                break;
            default:
                Console.Error.WriteLine($"error: '{arguments[0]}' is not a way");
                return 2;
        }

        return 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Empty(int count, int* place)
    {
        for (int pair = 0; pair < count; pair++)
        {
            Volatile.Write(ref *place, pair);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Handle(LongLivedArena arena, int count)
    {
        ArenaHandle handle = arena.GetHandle();
        for (int pair = 0; pair < count; pair++)
        {
            int* block = (int*)handle.Allocate(Bytes);
            *block = pair;
            handle.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void HandleVariable(LongLivedArena arena, int count, nuint bytes)
    {
        ArenaHandle handle = arena.GetHandle();
        for (int pair = 0; pair < count; pair++)
        {
            int* block = (int*)handle.Allocate(bytes);
            *block = pair;
            handle.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Typed(LongLivedArena arena, int count)
    {
        ArenaHandle handle = arena.GetHandle();
        for (int pair = 0; pair < count; pair++)
        {
            Block* block = handle.Allocate<Block>();
            block->First = pair;
            handle.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Implicit(LongLivedArena arena, int count, nuint bytes)
    {
        for (int pair = 0; pair < count; pair++)
        {
            int* block = (int*)arena.Allocate(bytes);
            *block = pair;
            arena.Free(block);
        }
    }

    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential, Size = (int)Bytes)]
    private struct Block
    {
        public int First;
    }
}
