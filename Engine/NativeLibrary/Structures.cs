// The structures of engine_memory.h. Each begins with its size, so that a program may know fewer or more of its members
// than the library: those it does not know are 0 on the way in, and stay as they are on the way out.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SuperSlab.Interop;
using SuperSlab.Scenes;

namespace SuperSlab.NativeLibrary;

/// <summary>engine_memory_options.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MemoryOptions
{
    public nuint Bytes;
    public ulong ReservationBytes;
    public ulong RetainBytes;
    public byte* Prefault;
    public byte* Pages;
    public byte* Stay;
    public byte* Checks;

    public static MemoryOptions Read(MemoryOptions* given) => Versioned.Read(given, "engine_memory_options");

    /// <exception cref="ArgumentException">A word is none of its kind's.</exception>
    public readonly EngineMemoryOptions ToOptions() => new()
    {
        ReservationBytes = checked((nuint)ReservationBytes),
        RetainBytes = checked((nuint)RetainBytes),
        Prefault = Word(Prefault, SettingWords.Prefault, "prefault"),
        Pages = Word(Pages, SettingWords.Pages, "pages"),
        Stay = Word(Stay, SettingWords.Stay, "stay"),
        Checks = Word(Checks, SettingWords.Checks, "checks"),
    };

    private static T Word<T>(byte* text, ChoiceWords<T> words, string member)
        where T : struct, Enum
    {
        string? word = Utf8Text.Optional(text);
        return word is null ? default
            : words.TryFind(word, out T value) ? value
            : throw new ArgumentException($"{member} was '{word}', and must be one of: {words.Text}.");
    }
}

/// <summary>engine_arena_options.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ArenaOptions
{
    public nuint Bytes;
    public byte* Name;
    public ulong BudgetBytes;

    public static ArenaOptions Read(ArenaOptions* given) => Versioned.Read(given, "engine_arena_options");
}

/// <summary>engine_frames_options.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FramesOptions
{
    public nuint Bytes;
    public byte* Name;
    public ulong BytesPerLane;
    public int LaneCount;
    public int BufferCount;

    public static FramesOptions Read(FramesOptions* given) => Versioned.Read(given, "engine_frames_options");

    public readonly FrameArenaOptions ToOptions()
    {
        FrameArenaOptions options = new();
        return options with
        {
            BytesPerLane = BytesPerLane == 0 ? options.BytesPerLane : checked((nuint)BytesPerLane),
            LaneCount = LaneCount == 0 ? options.LaneCount : LaneCount,
            BufferCount = BufferCount == 0 ? options.BufferCount : BufferCount,
        };
    }
}

/// <summary>engine_block_count.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeBlockCount
{
    public ulong Bytes;
    public ulong Count;
}

/// <summary>engine_memory_figures.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MemoryFigures
{
    public nuint Bytes;
    public ulong OwnedBytes;
    public ulong ReadyBytes;
    public ulong TableBytes;
    public ulong OsCalls;
    public ulong PrefaultNanoseconds;

    public static MemoryFigures Of(EngineMemory memory) => new()
    {
        OwnedBytes = (ulong)memory.OwnedSuperSlabCount * SlabGeometry.SuperSlabBytes,
        ReadyBytes = (ulong)memory.ReadySuperSlabCount * SlabGeometry.SuperSlabBytes,
        TableBytes = memory.MetadataBytes,
        OsCalls = (ulong)memory.OsCalls,
        PrefaultNanoseconds = (ulong)memory.PrefaultTime.TotalNanoseconds,
    };

    public readonly void WriteTo(MemoryFigures* place) => Versioned.Write(this, place, "engine_memory_figures");
}

/// <summary>engine_arena_figures.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ArenaFigures
{
    public nuint Bytes;
    public ulong LiveBytes;
    public ulong OwnedBytes;
    public ulong PeakUsedBytes;
    public ulong HardOverruns;

    public static ArenaFigures Of(LongLivedArena arena) => new()
    {
        LiveBytes = arena.LiveBytes(),
        OwnedBytes = (ulong)arena.SuperSlabCount * SlabGeometry.SuperSlabBytes,
        PeakUsedBytes = arena.PeakUsedBytes,
        HardOverruns = (ulong)arena.HardOverruns,
    };

    public readonly void WriteTo(ArenaFigures* place) => Versioned.Write(this, place, "engine_arena_figures");
}

/// <summary>Structures that begin with their size as the caller knows it.</summary>
internal static unsafe class Versioned
{
    /// <summary>A structure of the caller's; null is all members 0.</summary>
    /// <exception cref="ArgumentException">Its size is not that of any version.</exception>
    public static T Read<T>(T* given, string name)
        where T : unmanaged
    {
        T read = default;
        if (given != null)
        {
            nuint known = Known(given, name);
            Unsafe.CopyBlockUnaligned(&read, given, (uint)known);
            for (nuint beyond = known; beyond < *(nuint*)given; beyond++)
            {
                if (((byte*)given)[beyond] != 0)
                {
                    throw new ArgumentException(
                        $"{name} has a member at byte {beyond} that this version of the library does not know.");
                }
            }
        }

        return read;
    }

    /// <summary>Writes what the caller knows of a structure.</summary>
    /// <exception cref="ArgumentException">The place is null, or its size is not that of any version.</exception>
    public static void Write<T>(T figures, T* place, string name)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(place);
        nuint bytes = *(nuint*)place;
        Unsafe.CopyBlockUnaligned(place, &figures, (uint)Known(place, name));
        *(nuint*)place = bytes;
    }

    private static nuint Known<T>(T* given, string name)
        where T : unmanaged
    {
        nuint bytes = *(nuint*)given;
        return bytes >= (nuint)sizeof(nuint) && bytes <= 4096 ? nuint.Min(bytes, (nuint)sizeof(T))
            : throw new ArgumentException($"The member bytes of {name} was {bytes}; it must be sizeof({name}).");
    }
}

/// <summary>An arena that C holds by its engine_arena, and the allocator that serves it.</summary>
internal sealed class HeldArena : IDisposable
{
    private readonly NativeAllocator _allocator;
    private readonly bool _ownsArena;

    public HeldArena(LongLivedArena arena, ulong budgetBytes, bool ownsArena)
    {
        Arena = arena;
        _ownsArena = ownsArena;
        _allocator = arena.ToNativeAllocator();
        try
        {
            if (budgetBytes != 0)
                arena.Budget = new ArenaBudget { HardBytes = checked((nuint)budgetBytes) };

            Handle = _allocator.Inline;
            HeldHandles.Put(Handle, this);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public LongLivedArena Arena { get; }

    public nint Handle { get; }

    public void Dispose()
    {
        HeldHandles.Remove(Handle);
        _allocator.Dispose();
        if (_ownsArena)
            Arena.Dispose();
    }
}

/// <summary>A scene that C holds, and what it handed out of it.</summary>
internal sealed class HeldScene(Scene scene) : IDisposable
{
    private readonly Dictionary<string, HeldArena> _arenas = [];
    private nint _frames;

    /// <exception cref="ArgumentException">The scene has no arena of that name.</exception>
    public nint ArenaOf(string name)
    {
        lock (_arenas)
        {
            if (!_arenas.TryGetValue(name, out HeldArena? arena))
                _arenas[name] = arena = new HeldArena(scene.GetArena(name), budgetBytes: 0, ownsArena: false);

            return arena.Handle;
        }
    }

    /// <exception cref="InvalidOperationException">The scene's plan has no frame arena.</exception>
    public nint Frames()
    {
        lock (_arenas)
            return _frames == 0 ? _frames = HeldHandles.Add(scene.FrameArena) : _frames;
    }

    public void Dispose()
    {
        lock (_arenas)
        {
            foreach (HeldArena arena in _arenas.Values)
                arena.Dispose();

            _arenas.Clear();
            HeldHandles.Remove(_frames);
            scene.Dispose();
        }
    }
}
