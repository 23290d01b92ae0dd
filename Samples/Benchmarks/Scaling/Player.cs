// One thread of a scaling workload.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Common;

namespace Samples.Benchmarks.Scaling;

/// <summary>
/// What is done to blocks besides the work. Implementations are empty structs: a loop is compiled for each by itself.
/// </summary>
internal interface IPass
{
    /// <summary>Whether blocks are looked at before they are freed.</summary>
    static abstract bool IsChecked { get; }
}

/// <summary>The work and nothing else.</summary>
internal readonly struct PlainPass : IPass
{
    public static bool IsChecked => false;
}

/// <summary>Every block is looked at before it is freed: is in it what was written?</summary>
internal readonly struct CheckedPass : IPass
{
    public static bool IsChecked => true;
}

/// <summary>
/// What stands in a block: a tag, the slot's number, in the first and the last byte; in a checked pass also its size.
/// </summary>
internal static class Seal
{
    /// <summary>Where the size stands.</summary>
    public const int SizeOffset = 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write<TBlock, TPass>(TBlock block, nuint bytes, uint tag)
        where TBlock : struct, IBlock
        where TPass : struct, IPass
    {
        ref byte first = ref block.First;
        first = (byte)tag;
        Unsafe.Add(ref first, bytes - 1) = (byte)tag;
        if (TPass.IsChecked)
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref first, SizeOffset), (uint)bytes);
    }
}

/// <summary>The sizes of a thread's tables.</summary>
internal static class Player
{
    /// <summary>Own slots.</summary>
    public const int Slots = 4096;

    /// <summary>Slots of the shared table for each thread.</summary>
    public const int SharedSlots = 8192;
}

/// <summary>One thread's blocks, and what it found out.</summary>
/// <param name="number">Its number, from 0.</param>
/// <param name="shared">The table of all threads; empty where there is none.</param>
internal sealed class Player<TBlock>(int number, TBlock[] shared)
    where TBlock : struct, IBlock
{
    private const uint FirstSeed = 42;
    private const uint SeedStep = 7919;

    public uint Seed { get; private set; } = SeedOf(number);

    /// <summary>Its own slots.</summary>
    public TBlock[] Own { get; } = new TBlock[Player.Slots];

    /// <summary>The table of all threads.</summary>
    public TBlock[] Shared => shared;

    /// <summary>A block that the main thread made for it.</summary>
    public TBlock Given { get; set; }

    /// <summary>The tags of all blocks that it looked at.</summary>
    public ulong Sum { get; private set; }

    /// <summary>How many of them had lost what was written.</summary>
    public long Lost { get; private set; }

    /// <summary>How long its single calls took.</summary>
    public CallTimes Calls { get; set; } = new();

    /// <summary>Switches and faults of the timed repetitions.</summary>
    public ThreadUsage Usage { get; set; }

    /// <summary>System calls of the counted pass; null where they cannot be counted.</summary>
    public long? SystemCalls { get; set; } = 0;

    /// <summary>When the last pass began and ended, in ticks.</summary>
    public (long Start, long End) Shift { get; set; }

    /// <summary>Takes the seed of one of the threads that live and die in this one's stead.</summary>
    public void BeginLife(int life, int lives) => Seed = SeedOf((number * lives) + life);

    /// <summary>In a checked pass, looks at a block that has the tag; nothing otherwise.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Look<TPass>(TBlock block, uint tag)
        where TPass : struct, IPass
    {
        if (TPass.IsChecked)
            Look(block, tag);
    }

    /// <summary>Looks at a block of the checked pass.</summary>
    public void Look(TBlock block, uint tag)
    {
        ref byte first = ref block.First;
        uint bytes = Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref first, Seal.SizeOffset));
        Sum += first;
        bool isWhole = first == (byte)tag && bytes is > 0 and <= ScalingWork.MostBytes
            && Unsafe.Add(ref first, bytes - 1) == (byte)tag;
        Lost += isWhole ? 0 : 1;
    }

    /// <summary>Looks at a block whose bytes count how often they were written.</summary>
    public void LookAtWrites(ref byte first, int bytes, int writes)
    {
        int count = 0;
        foreach (byte counted in MemoryMarshal.CreateReadOnlySpan(ref first, bytes))
            count += counted;

        Sum += (ulong)count;
        Lost += count == writes ? 0 : 1;
    }

    /// <summary>Looks at the blocks in the first of its own slots, or in the shared table.</summary>
    public void LookAtAll(ReadOnlySpan<TBlock> slots)
    {
        for (int index = 0; index < slots.Length; index++)
        {
            if (!slots[index].IsNone)
                Look(slots[index], (uint)index);
        }
    }

    private static uint SeedOf(int number) => FirstSeed + ((uint)number * SeedStep);
}
