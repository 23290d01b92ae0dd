using System.Runtime.InteropServices;
using System.Text;
using Engine.Tests.Os;
using Engine.Tests.Support;
using SuperSlab.Interop;
using ZstdSharp.Unsafe;

namespace Engine.Tests.Interop;

/// <summary>
/// Real libraries on an arena: a short life of each, the same with each call of the allocator refused once, and hard
/// budgets. Afterwards no block is left. What is not installed is skipped; .ci/native-libraries installs it.
/// </summary>
[Category(Machine.NeedsRealKernel)]
[NonParallelizable]
internal sealed unsafe class NativeLibraryTests : ArenaFixture
{
    private const int SqliteNoMemory = 7;
    private const int LuaMemoryError = 4;

    private readonly List<string> _misuses = [];

    [Test]
    public void Sqlite_runs_on_an_arena_survives_each_refusal_and_a_budget()
    {
        nint library = Library("e_sqlite3");
        using NativeAllocator allocator = Allocator(Size.MiB(2));
        Sqlite sqlite = new(library);
        Assert.That(sqlite.Shutdown(), Is.Zero);
        allocator.UseSqlite(library);
        try
        {
            Assert.That(sqlite.Life(1_000), Is.Zero);
            EachRefused(allocator, () => sqlite.Life(20), result => result is 0 or SqliteNoMemory);
            Assert.That(sqlite.Life(200_000), Is.EqualTo(SqliteNoMemory), "the budget ends");
            Assert.That(sqlite.Life(1_000), Is.Zero, "and is there again");
            IsEmpty(allocator);
        }
        finally
        {
            sqlite.UseOwnMemory();
        }
    }

    [Test]
    public void Lua_runs_on_an_arena_survives_each_refusal_and_a_budget([Values] bool small)
    {
        nint library = Library("lua54", typeof(KeraLua.Lua));
        using ArenaGroup group = Memory.CreateArenaGroup("scripts");
        using SmallArena script = group.CreateArena("script");
        NativeAllocatorOptions options = new() { BudgetBytes = Size.MiB(2), OnMisuse = _misuses.Add };
        using NativeAllocator allocator = small ? script.ToNativeAllocator(options) : Arena.ToNativeAllocator(options);
        Assert.That(LuaLife(library, allocator, 100).Result, Is.Zero);
        EachRefused(allocator, () => LuaLife(library, allocator, 20).Result, result => result is 0 or LuaMemoryError);
        Assert.That(LuaLife(library, allocator, 1_000_000), Is.EqualTo((LuaMemoryError, "not enough memory")));
        Assert.That(LuaLife(library, allocator, 100).Result, Is.Zero);
        Assert.That(script.Blocks(), Is.Empty);
        IsEmpty(allocator);
    }

    [Test]
    public void A_script_of_KeraLua_ends_with_its_arena()
    {
        using ArenaGroup group = Memory.CreateArenaGroup("scripts");
        SmallArena script = group.CreateArena("script");
        using NativeAllocator allocator = script.ToNativeAllocator();
        var allocate = Marshal.GetDelegateForFunctionPointer<KeraLua.LuaAlloc>((nint)NativeFunctions.Resize);
        KeraLua.Lua lua = new(allocate, allocator.UserData);
        lua.OpenLibs();
        Assert.That(lua.DoString("t = {} for i = 1, 1000 do t[i] = { i } end return #t"), Is.False);
        Assert.That(lua.ToInteger(-1), Is.EqualTo(1_000));
        Assert.That(script.Blocks(), Has.Count.GreaterThan(1_000));
        script.Dispose();

        // Its finalizer would close a state whose memory is gone.
#pragma warning disable CA1816 // It is not this object's finalizer.
        GC.SuppressFinalize(lua);
#pragma warning restore CA1816
        GC.KeepAlive(allocate);
    }

    [Test]
    public void Zstd_compresses_on_an_arena_and_survives_each_refusal()
    {
        using NativeAllocator allocator = Allocator(0);
        byte[] text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("frame after frame ", 5_000)));
        byte[] packed = new byte[text.Length];
        bool Life()
        {
            ZSTD_customMem memory = new()
            {
                customAlloc = NativeFunctions.ManagedAllocate,
                customFree = NativeFunctions.ManagedFree,
                opaque = (void*)allocator.UserData,
            };
            ZSTD_CCtx_s* context = Methods.ZSTD_createCCtx_advanced(memory);
            if (context == null)
                return false;

            fixed (byte* from = text)
            fixed (byte* to = packed)
            {
                nuint bytes = Methods.ZSTD_compressCCtx(
                    context, to, (nuint)packed.Length, from, (nuint)text.Length, 3);
                Methods.ZSTD_freeCCtx(context);
                return !Methods.ZSTD_isError(bytes) && bytes < 1_000;
            }
        }

        Assert.That(Life());
        EachRefused(allocator, () => Life() ? 0 : 1, result => result is 0 or 1);
        IsEmpty(allocator);
    }

    [Test]
    public void Enet_runs_on_an_arena_and_survives_each_refusal()
    {
        nint library = Library("libenet.so.7");
        using NativeAllocator allocator = Allocator(0);
        allocator.UseEnet(library);
        var create = (delegate* unmanaged[Cdecl]<void*, nuint, nuint, uint, uint, void*>)Export(
            library, "enet_host_create");
        var destroy = (delegate* unmanaged[Cdecl]<void*, void>)Export(library, "enet_host_destroy");
        var makePacket = (delegate* unmanaged[Cdecl]<void*, nuint, uint, void*>)Export(library, "enet_packet_create");
        var dropPacket = (delegate* unmanaged[Cdecl]<void*, void>)Export(library, "enet_packet_destroy");
        int Life()
        {
            void* host = create(null, 32, 2, 0, 0);
            void* packet = host == null ? null : makePacket(null, 1_000, 0);
            if (packet != null)
                dropPacket(packet);

            if (host != null)
                destroy(host);

            return packet == null ? 1 : 0;
        }

        Assert.That(Life(), Is.Zero);
        EachRefused(allocator, Life, result => result is 0 or 1);
        ((delegate* unmanaged[Cdecl]<void>)Export(library, "enet_deinitialize"))();
        IsEmpty(allocator);
    }

    [Test]
    public void PhysFs_mounts_a_folder_on_an_arena_and_survives_each_refusal_but_those_of_its_locks()
    {
        const int Locks = 2; // its first two calls; without them PHYSFS_init undoes its work under a lock that is null
        nint library = Library("libphysfs.so.1");
        using NativeAllocator allocator = Allocator(0);
        var start = (delegate* unmanaged[Cdecl]<byte*, int>)Export(library, "PHYSFS_init");
        var end = (delegate* unmanaged[Cdecl]<int>)Export(library, "PHYSFS_deinit");
        var mount = (delegate* unmanaged[Cdecl]<byte*, byte*, int, int>)Export(library, "PHYSFS_mount");
        int Life()
        {
            allocator.UsePhysFs(library);
            fixed (byte* name = "program\0"u8)
            fixed (byte* folder = "/tmp\0"u8)
            {
                if (start(name) == 0)
                    return 1;

                int mounted = mount(folder, null, 1);
                _ = end();
                return mounted == 0 ? 1 : 0;
            }
        }

        Assert.That(Life(), Is.Zero);
        EachRefused(allocator, Life, result => result is 0 or 1, Locks + 1);
        IsEmpty(allocator);
    }

    [Test]
    public void Ode_steps_a_world_on_an_arena()
    {
        nint library = Library("libode.so.8");
        using NativeAllocator allocator = Allocator(0);
        allocator.UseOde(library);
        var start = (delegate* unmanaged[Cdecl]<uint, int>)Export(library, "dInitODE2");
        var end = (delegate* unmanaged[Cdecl]<void>)Export(library, "dCloseODE");
        var makeWorld = (delegate* unmanaged[Cdecl]<void*>)Export(library, "dWorldCreate");
        var dropWorld = (delegate* unmanaged[Cdecl]<void*, void>)Export(library, "dWorldDestroy");
        var makeBody = (delegate* unmanaged[Cdecl]<void*, void*>)Export(library, "dBodyCreate");
        Assert.That(start(0), Is.Not.Zero);
        void* world = makeWorld();
        for (int body = 0; body < 100; body++)
            Assert.That(Memory.Contains((nint)makeBody(world)), "the body lies in the engine's memory");

        dropWorld(world);
        end();
        IsEmpty(allocator);
    }

    [Test]
    public void Sdl2_keeps_its_blocks_in_an_arena_and_tells_a_refusal()
    {
        nint library = Library("libSDL2-2.0.so.0");
        NativeAllocator allocator = Allocator(0);
        allocator.UseSdl2(library);
        var make = (delegate* unmanaged[Cdecl]<uint, int, int, int, uint, void*>)Export(
            library, "SDL_CreateRGBSurfaceWithFormat");
        var drop = (delegate* unmanaged[Cdecl]<void*, void>)Export(library, "SDL_FreeSurface");
        var error = (delegate* unmanaged[Cdecl]<byte*>)Export(library, "SDL_GetError");
        const uint Rgba = 0x16462004;
        void** own = stackalloc void*[4];
        int Life()
        {
            void* surface = make(0, 64, 64, 32, Rgba);
            if (surface == null)
                return 1;

            Assert.That(Memory.Contains((nint)surface), "the surface lies in the engine's memory");
            drop(surface);
            return 0;
        }

        try
        {
            Assert.That(Life(), Is.Zero);
            EachRefused(allocator, Life, result => result is 0 or 1);
            Assert.That(Marshal.PtrToStringUTF8((nint)error()), Is.EqualTo("Out of memory"));
            Assert.That((_misuses, Life()), Is.EqualTo((Array.Empty<string>(), 0)));
        }
        finally
        {
            // SDL keeps its error buffers for each thread until the process ends; what it asks later is malloc's again.
            ((delegate* unmanaged[Cdecl]<void**, void**, void**, void**, void>)Export(
                library, "SDL_GetOriginalMemoryFunctions"))(own, own + 1, own + 2, own + 3);
            _ = ((delegate* unmanaged[Cdecl]<void*, void*, void*, void*, int>)Export(
                library, "SDL_SetMemoryFunctions"))(own[0], own[1], own[2], own[3]);
            allocator.Dispose();
        }
    }

    [Test]
    public void Vulkan_makes_an_instance_on_an_arena_and_tells_a_refusal()
    {
        nint library = Library("libvulkan.so.1");
        using NativeAllocator allocator = Allocator(0);
        nint* callbacks = stackalloc nint[6]
        {
            allocator.UserData, (nint)NativeFunctions.AllocateAligned, (nint)NativeFunctions.ReallocateAligned,
            (nint)NativeFunctions.Free, 0, 0,
        };
        nint* info = stackalloc nint[8] { 1, 0, 0, 0, 0, 0, 0, 0 }; // sType is VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
        var create = (delegate* unmanaged[Cdecl]<void*, void*, nint*, int>)Export(library, "vkCreateInstance");
        var destroy = (delegate* unmanaged[Cdecl]<nint, void*, void>)Export(library, "vkDestroyInstance");
        nint instance;
        if (create(info, callbacks, &instance) != 0)
            Assert.Ignore("No Vulkan driver is on this machine.");

        Assert.That(Arena.LiveBytes(), Is.GreaterThan((nuint)0), "the instance lies in the arena");
        destroy(instance, callbacks);
        allocator.FailAfter(1);
        Assert.That(create(info, callbacks, &instance), Is.EqualTo(-1), "VK_ERROR_OUT_OF_HOST_MEMORY");
        Assert.That(create(info, callbacks, &instance), Is.Zero);
        destroy(instance, callbacks);
        IsEmpty(allocator);
    }

    private NativeAllocator Allocator(nuint budgetBytes) => Arena.ToNativeAllocator(
        new NativeAllocatorOptions { BudgetBytes = budgetBytes, OnMisuse = _misuses.Add });

    /// <summary>Lives a life again and again, in which the first, second, ... call of the allocator is refused, until
    /// one
    /// asks for less than that.</summary>
    private static void EachRefused(
        NativeAllocator allocator, Func<int> life, Func<int, bool> isExpected, int firstRefused = 1)
    {
        int call = firstRefused;
        for (long refused = -1; refused != allocator.RefusalCount; call++)
        {
            refused = allocator.RefusalCount;
            allocator.FailAfter(call);
            int result = life();
            Assert.That(isExpected(result), $"call {call} was refused, and the result is {result}");
        }

        allocator.FailAfter(0);
        TestContext.Out.WriteLine($"{call - 2} calls, each from the {firstRefused}. refused once");
        Assert.That(call, Is.GreaterThan(firstRefused + 1));
    }

    private void IsEmpty(NativeAllocator allocator)
    {
        Assert.That(_misuses, Is.Empty);
        Assert.That((Arena.LiveBytes(), allocator.LiveBytes), Is.EqualTo(((nuint)0, (nuint)0)));
        Memory.Validate();
    }

    private static nint Library(string name, Type? beside = null)
    {
        if (!NativeLibrary.TryLoad(name, (beside ?? typeof(NativeLibraryTests)).Assembly, null, out nint library))
            Assert.Ignore($"{name} is not on this machine; .ci/native-libraries installs what Debian has.");

        return library;
    }

    private static void* Export(nint library, string name) => (void*)NativeLibrary.GetExport(library, name);

    private static (int Result, string Message) LuaLife(nint library, NativeAllocator allocator, int rounds)
    {
        nint state = ((delegate* unmanaged[Cdecl]<void*, nint, uint, nint>)Export(library, "lua_newstate"))(
            NativeFunctions.Resize, allocator.UserData, 1);
        if (state == 0)
            return (LuaMemoryError, "no state");

        var load = (delegate* unmanaged[Cdecl]<nint, byte*, int>)Export(library, "luaL_loadstring");
        var call = (delegate* unmanaged[Cdecl]<nint, int, int, int, nint, void*, int>)Export(library, "lua_pcallk");
        var text = (delegate* unmanaged[Cdecl]<nint, int, nuint*, byte*>)Export(library, "lua_tolstring");
        byte[] code = Encoding.UTF8.GetBytes(
            $"local t = {{}} for i = 1, {rounds} do t[i] = {{ i, 'n' .. i }} end return #t\0");
        fixed (byte* start = code)
        {
            int result = load(state, start);
            result = result != 0 ? result : call(state, 0, 1, 0, 0, null);
            string message = result == 0 ? "" : Marshal.PtrToStringUTF8((nint)text(state, -1, null)) ?? "";
            ((delegate* unmanaged[Cdecl]<nint, void>)Export(library, "lua_close"))(state);
            return (result, message);
        }
    }

    /// <summary>The few calls of SQLite that a life needs.</summary>
    private sealed class Sqlite
    {
        private readonly nint _library;
        private SizeQueryFunctions _own;

        public Sqlite(nint library)
        {
            const int GetMalloc = 5;
            _library = library;
            fixed (SizeQueryFunctions* own = &_own)
                ((delegate* unmanaged[Cdecl]<int, void*, int>)Export(library, "sqlite3_config"))(GetMalloc, own);
        }

        public int Shutdown() => ((delegate* unmanaged[Cdecl]<int>)Export(_library, "sqlite3_shutdown"))();

        public void UseOwnMemory()
        {
            const int SetMalloc = 4;
            Shutdown();
            fixed (SizeQueryFunctions* own = &_own)
                ((delegate* unmanaged[Cdecl]<int, void*, int>)Export(_library, "sqlite3_config"))(SetMalloc, own);
        }

        /// <summary>From start to end: a table in memory, rows, an index, a query.</summary>
        /// <returns>The first result that is no success.</returns>
        public int Life(int rows)
        {
            var open = (delegate* unmanaged[Cdecl]<byte*, nint*, int>)Export(_library, "sqlite3_open");
            var close = (delegate* unmanaged[Cdecl]<nint, int>)Export(_library, "sqlite3_close");
            var execute = (delegate* unmanaged[Cdecl]<nint, byte*, void*, void*, void*, int>)Export(
                _library, "sqlite3_exec");
            byte[] sql = Encoding.UTF8.GetBytes("create table t(a integer primary key, b text); begin;"
                + $"with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})"
                + "insert into t select i, 'row ' || i || ' of a table' from n; commit;"
                + "create index x on t(b); select sum(length(b)) from t where b > 'row 3';\0");
            nint database;
            int result;
            fixed (byte* name = ":memory:\0"u8)
            fixed (byte* text = sql)
            {
                result = open(name, &database);
                result = result != 0 ? result : execute(database, text, null, null, null);
            }

            Assert.That(close(database), Is.Zero);
            Assert.That(Shutdown(), Is.Zero);
            return result;
        }
    }
}
