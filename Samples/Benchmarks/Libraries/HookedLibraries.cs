// The C libraries that --native-libraries runs, by the few calls that it needs.
using System.Runtime.InteropServices;
using System.Text;
using SuperSlab.Interop;

namespace Samples.Benchmarks.Libraries;

/// <summary>A C library whose memory can be chosen between two lives.</summary>
internal interface IHookedLibrary
{
    void UseOwnMemory();

    void Use(NativeAllocator allocator);

    /// <summary>The hooks' inline code over an allocator, or their bare lists.</summary>
    void Use(InlineHooks hooks, NativeAllocator? allocator);
}

/// <summary>SQLite: a table in memory, its rows inserted and selected by a statement each.</summary>
internal sealed unsafe class Sqlite : IHookedLibrary
{
    private const int ConfigureMalloc = 4;
    private const int GetMalloc = 5;
    private const int ConfigureLookaside = 13;

    private readonly nint _library = NativeLibrary.Load("e_sqlite3", typeof(Sqlite).Assembly, null);
    private readonly byte[] _script;
    private readonly byte[] _own = new byte[8 * sizeof(nint)];

    public Sqlite(int rows)
    {
        StringBuilder script = new("create table t(a integer primary key, b text); begin;");
        for (int row = 0; row < rows; row++)
            script.Append($"insert into t values({row}, 'text of row {row}');");

        script.Append("commit;");
        for (int row = 0; row < rows; row++)
            script.Append($"select b from t where a = {row};");

        _script = Encoding.UTF8.GetBytes(script.Append('\0').ToString());
        fixed (byte* own = _own)
            Configure(GetMalloc, own);
    }

    public void UseOwnMemory()
    {
        Shutdown();
        fixed (byte* own = _own)
            Configure(ConfigureMalloc, own);
    }

    public void Use(NativeAllocator allocator)
    {
        Shutdown();
        allocator.UseSqlite(_library);
    }

    public void Use(InlineHooks hooks, NativeAllocator? allocator)
    {
        Shutdown();
        Configure(ConfigureMalloc, hooks.SqliteMethods(allocator));
    }

    /// <returns>The number of changed rows.</returns>
    public long Life(bool lookaside)
    {
        ((delegate* unmanaged[Cdecl]<int, int, int, int>)Export("sqlite3_config"))(
            ConfigureLookaside, lookaside ? 1200 : 0, lookaside ? 40 : 0);
        var open = (delegate* unmanaged[Cdecl]<byte*, nint*, int>)Export("sqlite3_open");
        var execute = (delegate* unmanaged[Cdecl]<nint, byte*, void*, void*, void*, int>)Export("sqlite3_exec");
        nint database;
        fixed (byte* name = ":memory:\0"u8)
        fixed (byte* script = _script)
        {
            int result = open(name, &database);
            result = result != 0 ? result : execute(database, script, null, null, null);
            if (result != 0)
                throw new InvalidOperationException($"SQLite returned {result}.");
        }

        long changes = ((delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_total_changes"))(database);
        ((delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_close"))(database);
        Shutdown();
        return changes;
    }

    private void Configure(int option, void* value)
    {
        int result = ((delegate* unmanaged[Cdecl]<int, void*, int>)Export("sqlite3_config"))(option, value);
        if (result != 0)
            throw new InvalidOperationException($"sqlite3_config({option}) returned {result}.");
    }

    private void Shutdown() => ((delegate* unmanaged[Cdecl]<int>)Export("sqlite3_shutdown"))();

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);
}

/// <summary>Lua: a state that runs a script and is closed.</summary>
internal sealed unsafe class Lua(int scale) : IHookedLibrary
{
    private readonly nint _library = NativeLibrary.Load("lua54", typeof(KeraLua.Lua).Assembly, null);
    private void* _allocate;
    private nint _data;

    /// <summary>Each takes a number of rounds, and returns a number.</summary>
    public static IReadOnlyList<(string Name, byte[] Code)> Scripts { get; } =
    [
        ("binary trees", Text(
            """
            local function tree(depth) if depth == 0 then return {} end return { tree(depth - 1), tree(depth - 1) } end
            local function count(node) if not node[1] then return 1 end return 1 + count(node[1]) + count(node[2]) end
            local sum = 0
            for i = 1, ... * 8 do sum = sum + count(tree(13)) end
            return sum
            """)),
        ("strings", Text(
            """
            local sum = 0
            for i = 1, ... * 40000 do
                local s = 'entity ' .. i .. ' of ' .. (i * 7)
                sum = sum + #s:gsub('%d', 'x'):upper() + #string.format('%s:%05d', s, i)
            end
            return sum
            """)),
        ("tables", Text(
            """
            local sum = 0
            for i = 1, ... * 100 do
                local t = {}
                for j = 1, 1000 do t[j] = { x = j, y = i, name = j % 7 } end
                for k, v in pairs(t) do sum = sum + v.x % 3 + v.name end
            end
            return sum
            """)),
    ];

    public void UseOwnMemory()
    {
        _allocate = null;
        _data = 0;
    }

    public void Use(NativeAllocator allocator)
    {
        _allocate = NativeFunctions.Resize;
        _data = allocator.UserData;
    }

    public void Use(InlineHooks hooks, NativeAllocator? allocator)
    {
        _allocate = hooks.Resize(allocator);
        _data = 0;
    }

    /// <returns>The script's result.</returns>
    public long Life(byte[] code)
    {
        nint state = _allocate == null ? ((delegate* unmanaged[Cdecl]<nint>)Export("luaL_newstate"))()
            : ((delegate* unmanaged[Cdecl]<void*, nint, uint, nint>)Export("lua_newstate"))(_allocate, _data, 1);
        ((delegate* unmanaged[Cdecl]<nint, void>)Export("luaL_openlibs"))(state);
        int result;
        fixed (byte* text = code)
            result = ((delegate* unmanaged[Cdecl]<nint, byte*, int>)Export("luaL_loadstring"))(state, text);

        ((delegate* unmanaged[Cdecl]<nint, long, void>)Export("lua_pushinteger"))(state, scale);
        result = result != 0 ? result
            : ((delegate* unmanaged[Cdecl]<nint, int, int, int, nint, void*, int>)Export("lua_pcallk"))(
                state, 1, 1, 0, 0, null);
        if (result != 0)
            throw new InvalidOperationException($"Lua returned {result}.");

        long value = ((delegate* unmanaged[Cdecl]<nint, int, int*, long>)Export("lua_tointegerx"))(state, -1, null);
        ((delegate* unmanaged[Cdecl]<nint, void>)Export("lua_close"))(state);
        return value;
    }

    /// <summary>Made once, so that a life makes no garbage.</summary>
    private static byte[] Text(string code) => Encoding.UTF8.GetBytes(code + '\0');

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);
}
