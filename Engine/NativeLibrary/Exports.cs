// The functions of libengine_memory, in the order of engine_memory.h, which says what each does.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using SuperSlab.Interop;
using SuperSlab.Scenes;

namespace SuperSlab.NativeLibrary;

/// <summary>Memory, scenes and what they consist of. Any thread; never in the hot loop.</summary>
internal static unsafe class MemoryExports
{
    [UnmanagedCallersOnly(EntryPoint = "engine_layout", CallConvs = [typeof(CallConvCdecl)])]
    private static uint Layout() => NativeArena.CurrentLayout;

    [UnmanagedCallersOnly(EntryPoint = "engine_message", CallConvs = [typeof(CallConvCdecl)])]
    private static byte* Message() => Calls.Message;

    [UnmanagedCallersOnly(EntryPoint = "engine_memory_create_for", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Create(uint layout, MemoryOptions* options, nint* memory) => Calls.Run(() =>
    {
        OutPlace.Of(memory);
        if (layout != NativeArena.CurrentLayout)
        {
            throw new ArgumentException(
                $"The program was compiled with layout {layout} of engine_memory.h, and the library has layout "
                + $"{NativeArena.CurrentLayout}; compile it with the library's own header.");
        }

        *memory = HeldHandles.Add(new EngineMemory(MemoryOptions.Read(options).ToOptions()));
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_memory_destroy", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Destroy(nint memory) => Calls.Run(() =>
    {
        HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory).Dispose();
        HeldHandles.Remove(memory);
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_memory_validate", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Validate(nint memory) =>
        Calls.Run(() => HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory).Validate());

    [UnmanagedCallersOnly(EntryPoint = "engine_memory_trim", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Trim(nint memory, ulong retainBytes) =>
        Calls.Run(() => HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory).Trim(checked((nuint)retainBytes)));

    [UnmanagedCallersOnly(EntryPoint = "engine_memory_figures_of", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Figures(nint memory, MemoryFigures* figures) =>
        Calls.Run(() => MemoryFigures.Of(HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory)).WriteTo(figures));

    [UnmanagedCallersOnly(EntryPoint = "engine_scene_load", CallConvs = [typeof(CallConvCdecl)])]
    private static Result LoadScene(nint memory, byte* json, nuint bytes, nint* scene) => Calls.Run(() =>
    {
        OutPlace.Of(scene);
        ArgumentNullException.ThrowIfNull(json);
        ScenePlan plan = ScenePlan.Parse(new ReadOnlySpan<byte>(json, checked((int)bytes)));
        EngineMemory owner = HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory);
        *scene = HeldHandles.Add(new HeldScene(Scene.Load(owner, plan)));
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_scene_arena", CallConvs = [typeof(CallConvCdecl)])]
    private static Result SceneArena(nint scene, byte* name, nint* arena) => Calls.Run(() =>
    {
        HeldScene held = HeldHandles.Find<HeldScene>(scene, HandleKinds.Scene);
        *OutPlace.Of(arena) = held.ArenaOf(Utf8Text.Required(name, "name"));
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_scene_frames", CallConvs = [typeof(CallConvCdecl)])]
    private static Result SceneFrames(nint scene, nint* frames) => Calls.Run(() =>
        *OutPlace.Of(frames) = HeldHandles.Find<HeldScene>(scene, HandleKinds.Scene).Frames());

    [UnmanagedCallersOnly(EntryPoint = "engine_scene_unload", CallConvs = [typeof(CallConvCdecl)])]
    private static Result UnloadScene(nint scene) => Calls.Run(() =>
    {
        HeldHandles.Find<HeldScene>(scene, HandleKinds.Scene).Dispose();
        HeldHandles.Remove(scene);
    });
}

/// <summary>
/// Long-lived arenas. Any thread; the functions of their blocks are those of <see cref="NativeArena"/>.
/// </summary>
internal static unsafe class ArenaExports
{
    [UnmanagedCallersOnly(EntryPoint = "engine_arena_create", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Create(nint memory, ArenaOptions* options, nint* arena) => Calls.Run(() =>
    {
        OutPlace.Of(arena);
        ArenaOptions given = ArenaOptions.Read(options);
        EngineMemory owner = HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory);
        LongLivedArena made = owner.CreateLongLivedArena(Utf8Text.Optional(given.Name) ?? "arena");
        *arena = new HeldArena(made, given.BudgetBytes, ownsArena: true).Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_arena_destroy", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Destroy(nint arena) => Calls.Run(() => Find(arena).Dispose());

    [UnmanagedCallersOnly(EntryPoint = "engine_arena_reset", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Reset(nint arena) => Calls.Run(() => Find(arena).Arena.Reset());

    [UnmanagedCallersOnly(EntryPoint = "engine_arena_prewarm", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Prewarm(nint arena, NativeBlockCount* blocks, nuint count, int threads) => Calls.Run(() =>
    {
        if (blocks == null && count != 0)
            throw new ArgumentException($"{count} block counts were said to be at null.", nameof(blocks));

        BlockCount[] counts = new BlockCount[checked((int)count)];
        for (int index = 0; index < counts.Length; index++)
            counts[index] = new BlockCount(checked((nuint)blocks[index].Bytes), checked((int)blocks[index].Count));

        Find(arena).Arena.Prewarm(counts, threads);
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_arena_figures_of", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Figures(nint arena, ArenaFigures* figures) =>
        Calls.Run(() => ArenaFigures.Of(Find(arena).Arena).WriteTo(figures));

    private static HeldArena Find(nint arena) => HeldHandles.Find<HeldArena>(arena, HandleKinds.Arena);
}

/// <summary>
/// Frame arenas and their lanes. <see cref="Next"/> and <see cref="AllocateMore"/> are for the hot loop.
/// </summary>
internal static unsafe class FrameExports
{
    [UnmanagedCallersOnly(EntryPoint = "engine_frames_create", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Create(nint memory, FramesOptions* options, nint* frames) => Calls.Run(() =>
    {
        OutPlace.Of(frames);
        FramesOptions given = FramesOptions.Read(options);
        EngineMemory owner = HeldHandles.Find<EngineMemory>(memory, HandleKinds.Memory);
        *frames = HeldHandles.Add(owner.CreateFrameArena(Utf8Text.Optional(given.Name) ?? "frames", given.ToOptions()));
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_frames_destroy", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Destroy(nint frames) => Calls.Run(() =>
    {
        Find(frames).Dispose();
        HeldHandles.Remove(frames);
    });

    [UnmanagedCallersOnly(EntryPoint = "engine_frames_next", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Next(nint frames)
    {
        try
        {
            Find(frames).NextFrame();
            return Result.Ok;
        }
        catch (Exception exception)
        {
            return Calls.Failed(exception);
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "engine_frames_lane", CallConvs = [typeof(CallConvCdecl)])]
    private static Result Lane(nint frames, int index, NativeLane* lane) => Calls.Run(() =>
    {
        ArgumentNullException.ThrowIfNull(lane);
        *lane = new NativeLane { State = Find(frames).Lane(index).State, Frames = frames, Index = index };
    });

    /// <summary>Null where memory has ended; <see cref="Calls.Message"/> then says why.</summary>
    [UnmanagedCallersOnly(EntryPoint = "engine_lane_allocate_more", CallConvs = [typeof(CallConvCdecl)])]
    private static void* AllocateMore(nint frames, int index, nuint bytes, nuint alignment)
    {
        try
        {
            return Find(frames).Lane(index).Allocate(bytes, alignment);
        }
        catch (Exception exception)
        {
            Calls.Failed(exception);
            return null;
        }
    }

    private static FrameArena Find(nint frames) => HeldHandles.Find<FrameArena>(frames, HandleKinds.Frames);
}

/// <summary>What handles are of, in messages.</summary>
internal static class HandleKinds
{
    public const string Memory = "engine_memory";
    public const string Arena = "engine_arena";
    public const string Frames = "engine_frames";
    public const string Scene = "engine_scene";
}

/// <summary>Where functions put what they made.</summary>
internal static unsafe class OutPlace
{
    /// <summary>The place, which holds null until the function has succeeded.</summary>
    /// <exception cref="ArgumentNullException">C passed null.</exception>
    public static nint* Of(nint* place)
    {
        ArgumentNullException.ThrowIfNull(place);
        *place = 0;
        return place;
    }
}

/// <summary>Zero-terminated UTF-8.</summary>
internal static unsafe class Utf8Text
{
    public static string? Optional(byte* text) =>
        text == null ? null : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    /// <exception cref="ArgumentNullException">It is null.</exception>
    public static string Required(byte* text, string name) => Optional(text) ?? throw new ArgumentNullException(name);
}
