// A level's rules in Lua.
using System.Runtime.InteropServices;
using KeraLua;
using Samples.Common;
using SuperSlab.Interop;

namespace Samples.Game.Libraries;

/// <summary>What a script decides for one step.</summary>
/// <param name="Spawn">How many things come, or groups are built again.</param>
/// <param name="Power">How strong shots are.</param>
internal readonly record struct Decision(int Spawn, float Power);

/// <summary>
/// A state of Lua with two functions: <c>step(number, actors, score)</c> returns what comes and how strong shots are,
/// <c>hit(kind)</c> the points of a hit. With an allocator its memory lies in an arena, and goes with it.
/// </summary>
internal sealed class Script : IDisposable
{
    private readonly Lua _lua;
    private readonly LuaAlloc? _allocate;
    private readonly int _step;
    private readonly int _hit;

    /// <param name="allocator">Of the level's arena; null leaves the memory to malloc.</param>
    /// <exception cref="RunFailedException">The script does not run.</exception>
    public Script(string name, string source, NativeAllocator? allocator)
    {
        if (allocator is not null)
        {
            unsafe
            {
                _allocate = Marshal.GetDelegateForFunctionPointer<LuaAlloc>((nint)NativeFunctions.Resize);
            }

            _lua = new Lua(_allocate, allocator.UserData);
            _lua.OpenLibs();
        }
        else
        {
            _lua = new Lua();
        }

        if (_lua.DoString(source))
            throw new RunFailedException($"{name}: {_lua.ToString(-1, false)}");

        _step = Function("step");
        _hit = Function("hit");
    }

    public Decision Step(long step, int actors, int score)
    {
        _lua.RawGetInteger(LuaRegistry.Index, _step);
        _lua.PushInteger(step);
        _lua.PushInteger(actors);
        _lua.PushInteger(score);
        Call(3, 2);
        Decision decision = new((int)_lua.ToInteger(-2), (float)_lua.ToNumber(-1));
        _lua.Pop(2);
        return decision;
    }

    /// <returns>Points.</returns>
    public int Hit(int kind)
    {
        _lua.RawGetInteger(LuaRegistry.Index, _hit);
        _lua.PushInteger(kind);
        Call(1, 1);
        int points = (int)_lua.ToInteger(-1);
        _lua.Pop(1);
        return points;
    }

    /// <summary>
    /// Ends the state. In an arena nothing is done for its blocks: the arena is reset or disposed next.
    /// </summary>
    public void Dispose()
    {
        if (_allocate is null)
        {
            _lua.Close();
            return;
        }

        // Its finalizer would close a state whose memory is gone.
#pragma warning disable CA1816 // It is not this object's finalizer.
        GC.SuppressFinalize(_lua);
#pragma warning restore CA1816
    }

    private int Function(string name)
    {
        _lua.GetGlobal(name);
        return _lua.Ref(LuaRegistry.Index);
    }

    private void Call(int arguments, int results)
    {
        if (_lua.PCall(arguments, results, 0) != LuaStatus.OK)
            throw new RunFailedException($"Lua: {_lua.ToString(-1, false)}");
    }
}
