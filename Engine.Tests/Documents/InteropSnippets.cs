using System.Runtime.InteropServices;
using SuperSlab.Interop;

namespace Engine.Tests.Documents;

/// <summary>
/// The code of docs/interop.md. What a process can do once, such as giving SQLite its memory, is compiled here, and done
/// in Interop/.
/// </summary>
#pragma warning disable CA1816 // It is not this object's finalizer.
internal static partial class InteropSnippets
{
    public static void GiveSqliteItsMemory(EngineMemory memory)
    {
        using LongLivedArena arena = memory.CreateLongLivedArena("sqlite");
        using NativeAllocator allocator = arena.ToNativeAllocator(new NativeAllocatorOptions
        {
            Tag = AllocationTag.Register("sqlite"),      // its own line in profiles
            BudgetBytes = 16 << 20,                      // beyond it C gets null: SQLITE_NOMEM
        });
        allocator.UseSqlite(NativeLibrary.Load("e_sqlite3", typeof(Program).Assembly, null));   // before SQLite's first use
    }

    [LibraryImport("physics")] private static partial void physics_use(nint arena);

    /// <summary>The allocator has no tag and no budget: those need the functions.</summary>
    public static void UsePhysics(NativeAllocator allocator) => physics_use(allocator.Inline);

    public static unsafe void ThrowAwayAState(SmallArena script)
    {
        using NativeAllocator allocator = script.ToNativeAllocator();
        var allocate = Marshal.GetDelegateForFunctionPointer<KeraLua.LuaAlloc>((nint)NativeFunctions.Resize);
        KeraLua.Lua lua = new(allocate, allocator.UserData);      // keep the delegate as long as the state
        lua.DoString("door = { open = true }");
        script.Dispose();                                         // instead of lua.Close()
        GC.SuppressFinalize(lua);                                 // KeraLua's finalizer would close the state, which is gone
    }

    private sealed class Program;
}
