using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Common;
using SuperSlab;

namespace Samples.FastPath;

/// <summary>
/// Allocates and frees a block of 64 bytes so often, and does nothing else: for tools that count instructions. The
/// difference between two counts of repetitions is what the pairs took; <c>count-instructions</c> does that. Arguments:
/// a way, and how often; with <c>--profile DIR</c> after them, the pairs are profiled in frames, and with
/// <c>--call-sites</c> behind that sampled, too.
/// </summary>
internal static unsafe class Program
{
    private const nuint Bytes = 64;
    private const int FramePairs = 1000;
    private static readonly string[] Ways = ["empty", "handle", "handle-variable", "typed", "implicit"];

    private static int Main(string[] arguments)
    {
        if (arguments is ["--help"] or ["-h"] or ["-?"])
        {
            Console.Out.WriteLine($"""
                Allocates and frees a block of 64 bytes so often, and does nothing else: for tools that count instructions.

                FastPath WAY N                  WAY is {string.Join(", ", Ways)}
                FastPath WAY N --profile DIR    the pairs as frames, profiled
                FastPath WAY N --profile DIR --call-sites    and sampled, one in 512 KiB

                count-instructions, beside this program's sources, counts them.
                """);
            return 0;
        }

        bool isSampled = arguments is [_, _, "--profile", _, "--call-sites"];
        if (!(isSampled || arguments is [_, _] or [_, _, "--profile", _])
            || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count))
        {
            return Refuse(
                $"expected a way ({string.Join(", ", Ways)}) and how often, and after them maybe --profile DIR "
                + "[--call-sites]");
        }

        if (Array.IndexOf(Ways, arguments[0]) < 0)
            return Refuse($"'{arguments[0]}' is not a way; expected one of {string.Join(", ", Ways)}");

        string? folder = arguments.Length == 2 ? null : arguments[3];
        SampleProfile.SamplingBytes = isSampled ? SampleProfile.UsualSampling : 0;
        try
        {
            SampleProfile.Prepare(folder);
        }
        catch (BadInputException error)
        {
            return Refuse(error.Message);
        }

        using EngineMemory memory = new();
        using LongLivedArena arena = memory.CreateLongLivedArena("fast path");
        arena.Free(arena.Allocate(Bytes));
        if (folder is null)
        {
            Run(arena, arguments[0], count);
            return 0;
        }

        using SampleProfile profile = SampleProfile.Begin(folder, memory, countsPageFaults: true)!;
        RunFrames(profile, arena, arguments[0], count);
        profile.Write();
        Console.Out.WriteLine(
            $"profiled {arguments[0]}: {profile.Profiler.FrameCount} frames of {FramePairs} pairs, not to be counted; "
            + $"{Path.Combine(folder, SampleProfile.ReportName)} shows them");
        return 0;
    }

    private static int Refuse(string message)
    {
        Console.Error.WriteLine("error: " + message);
        return 2;
    }

    /// <summary>The same loop, in pieces that the profile takes for frames.</summary>
    private static void RunFrames(SampleProfile profile, LongLivedArena arena, string way, int count)
    {
        Run(arena, way, FramePairs); // under the JIT it is compiled here, and not in the first frame
        for (int done = 0; done < count; done += FramePairs)
        {
            profile.BeginFrame();
            Run(arena, way, Math.Min(FramePairs, count - done));
            profile.EndFrame();
        }
    }

    private static void Run(LongLivedArena arena, string way, int count)
    {
        switch (way)
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
            default:
                Implicit(arena, count, Bytes);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Empty(int count, int* place)
    {
        for (int pair = 0; pair < count; pair++)
            Volatile.Write(ref *place, pair);
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

    [StructLayout(LayoutKind.Sequential, Size = (int)Bytes)]
    private struct Block
    {
        public int First;
    }
}
