using System.Runtime.InteropServices;

namespace SuperSlab.Interop;

/// <summary>
/// Gives allocators to libraries by their own hooks, before the library's first use. A library is the handle that
/// <see cref="NativeLibrary"/> returns: the engine itself depends on none of them. At start-up.
/// </summary>
public static unsafe class NativeHooks
{
    /// <summary>SQLite: sqlite3_config(SQLITE_CONFIG_MALLOC), before sqlite3_initialize or after
    /// sqlite3_shutdown.</summary>
    /// <exception cref="InvalidOperationException">SQLite is initialised already.</exception>
    public static void UseSqlite(this NativeAllocator allocator, nint library)
    {
        const int ConfigMalloc = 4;
        SizeQueryFunctions functions = Checked(allocator).BindSizeQuery();
        void* configure = Export(library, "sqlite3_config");

        // Where C passes unnamed arguments on the stack, eight named ones fill the registers first.
        bool isOnStack = RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            && (OperatingSystem.IsMacOS() || OperatingSystem.IsIOS() || OperatingSystem.IsTvOS()
                || OperatingSystem.IsMacCatalyst());
        int result = isOnStack
            ? ((delegate* unmanaged[Cdecl]<int, nint, nint, nint, nint, nint, nint, nint, void*, int>)configure)(
                ConfigMalloc, 0, 0, 0, 0, 0, 0, 0, &functions)
            : ((delegate* unmanaged[Cdecl]<int, void*, int>)configure)(ConfigMalloc, &functions);
        ThrowUnless(result == 0, $"sqlite3_config returned {result}", "before sqlite3_initialize");
    }

    /// <summary>SDL 2: SDL_SetMemoryFunctions, before SDL_Init.</summary>
    /// <exception cref="InvalidOperationException">SDL refused.</exception>
    public static void UseSdl2(this NativeAllocator allocator, nint library)
    {
        PlainFunctions functions = Checked(allocator).BindPlain();
        int result = ((delegate* unmanaged[Cdecl]<void*, void*, void*, void*, int>)Export(
            library, "SDL_SetMemoryFunctions"))(
            functions.Allocate, functions.AllocateZeroed, functions.Reallocate, functions.Free);
        ThrowUnless(result == 0, $"SDL_SetMemoryFunctions returned {result}", "before SDL_Init");
    }

    /// <summary>ENet: enet_initialize_with_callbacks, instead of enet_initialize. What ENet cannot allocate, it
    /// reports as
    /// its functions' failure; it does not abort.</summary>
    /// <exception cref="InvalidOperationException">ENet refused.</exception>
    public static void UseEnet(this NativeAllocator allocator, nint library)
    {
        PlainFunctions functions = Checked(allocator).BindPlain();
        void** callbacks = stackalloc void*[3] { functions.Allocate, functions.Free, NativeBindings.NoMemory };
        uint version = ((delegate* unmanaged[Cdecl]<uint>)Export(library, "enet_linked_version"))();
        int result = ((delegate* unmanaged[Cdecl]<uint, void*, int>)Export(
            library, "enet_initialize_with_callbacks"))(version, callbacks);
        ThrowUnless(result == 0, $"enet_initialize_with_callbacks returned {result}", "once");
    }

    /// <summary>PhysicsFS: PHYSFS_setAllocator, before PHYSFS_init.</summary>
    /// <exception cref="InvalidOperationException">PhysicsFS is initialised already.</exception>
    public static void UsePhysFs(this NativeAllocator allocator, nint library)
    {
        PlainFunctions functions = Checked(allocator).BindPlain();
        void** callbacks = stackalloc void*[5]
        {
            null, null, functions.Allocate, functions.Reallocate, functions.Free,
        };
        int result = ((delegate* unmanaged[Cdecl]<void*, int>)Export(library, "PHYSFS_setAllocator"))(callbacks);
        ThrowUnless(result != 0, "PHYSFS_setAllocator failed", "before PHYSFS_init");
    }

    /// <summary>ODE: its three handlers, before dInitODE. ODE does not look whether it got memory: give it no
    /// budget.</summary>
    public static void UseOde(this NativeAllocator allocator, nint library)
    {
        PlainFunctions functions = Checked(allocator).BindPlain();
        ((delegate* unmanaged[Cdecl]<void*, void>)Export(library, "dSetAllocHandler"))(functions.Allocate);
        ((delegate* unmanaged[Cdecl]<void*, void>)Export(library, "dSetReallocHandler"))(functions.ReallocateSized);
        ((delegate* unmanaged[Cdecl]<void*, void>)Export(library, "dSetFreeHandler"))(functions.FreeSized);
    }

    private static NativeAllocator Checked(NativeAllocator allocator)
    {
        ArgumentNullException.ThrowIfNull(allocator);
        return allocator;
    }

    private static void* Export(nint library, string name) => (void*)NativeLibrary.GetExport(library, name);

    private static void ThrowUnless(bool holds, string what, string when)
    {
        if (!holds)
            throw new InvalidOperationException($"{what}: the library takes an allocator {when} only.");
    }
}
