using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace SuperSlab;

/// <summary>
/// Names a long-lived arena, a small arena or a lane of a frame arena in 8 bytes without a managed reference: a
/// component, a struct in native memory or a C library's user data can hold it. An arena and a lane convert to it. A
/// reference that outlives its arena is told so by each call and never reaches an arena that came later.
/// <para>
/// Hot-loop safe, from any thread that may use the arena. Each call costs some nanoseconds more than the arena's own,
/// because the reference is looked up. <see cref="Free"/> of a lane does nothing: its memory ends with its frame.
/// </para>
/// </summary>
[SuppressMessage("Usage", "CA2225", Justification = "An arena is given where a reference to it is asked for.")]
public readonly unsafe struct ArenaRef : IEquatable<ArenaRef>
{
    private readonly uint _index;
    private readonly uint _generation;

    internal ArenaRef(uint index, uint generation)
    {
        _index = index;
        _generation = generation;
    }

    /// <summary>Whether the arena lives: it can be used now.</summary>
    public bool IsAlive => ArenaSlots.Find(this) is not null;

    /// <summary>The reference as a number, for code that knows no structs. 0 is the default, which names
    /// none.</summary>
    public ulong Value => ((ulong)_generation << 32) | _index;

    internal uint Index => _index;

    internal uint Generation => _generation;

    /// <summary>Whether containers of the arena look for wrong use.</summary>
    internal bool IsChecked => Slot.Owner switch
    {
        LongLivedArena arena => arena.Checks != MemoryChecks.Off,
        SmallArenaState state => state.Checks != MemoryChecks.Off,
        FrameArena frames => frames.Checks != MemoryChecks.Off,
        _ => false,
    };

    /// <summary>Changes whenever the arena throws away what it holds: reset, dispose, the end of a frame.</summary>
    internal uint Life => Slot.Life;

    /// <summary>The long-lived arena that it names; null for a small one or a lane.</summary>
    internal LongLivedArena? LongLived => Slot.Owner as LongLivedArena;

    private ArenaSlot Slot => ArenaSlots.Find(this) ?? ArenaSlots.ThrowStale(this);

    /// <summary>A reference to the arena.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public static implicit operator ArenaRef(LongLivedArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        return arena.Slot.Reference(arena, arena.IsDisposed);
    }

    /// <summary>A reference to the arena.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public static implicit operator ArenaRef(SmallArena arena) => arena.Reference;

    /// <summary>A reference to the lane, in this frame and in later ones.</summary>
    /// <exception cref="ObjectDisposedException">The frame arena is disposed.</exception>
    public static implicit operator ArenaRef(FrameLane lane) => lane.Reference;

    /// <summary>Whether both name the same arena or lane.</summary>
    public static bool operator ==(ArenaRef left, ArenaRef right) => left.Equals(right);

    /// <summary>Whether they name different ones.</summary>
    public static bool operator !=(ArenaRef left, ArenaRef right) => !left.Equals(right);

    /// <summary>The reference whose <see cref="Value"/> it is. Any number may be given: one that names no living arena
    /// is told at its use.</summary>
    public static ArenaRef FromValue(ulong value) => new((uint)value, (uint)(value >> 32));

    /// <summary>Allocates a block of at least <paramref name="bytes"/>, its contents undefined.</summary>
    /// <param name="bytes">The size in bytes.</param>
    /// <param name="alignment">A power of two up to 2 MiB.</param>
    /// <exception cref="ArgumentException">The alignment is not such a number, or the size is above what the
    /// reservation can hold.</exception>
    /// <exception cref="EngineOutOfMemoryException">The reservation, a budget or the system has no memory left. Nothing
    /// has changed.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    /// <exception cref="InvalidOperationException">The reference is the default, which names no arena.</exception>
    public void* Allocate(nuint bytes, nuint alignment = SizeClasses.Quantum)
    {
        ArenaSlot slot = Slot;
        return slot.Owner switch
        {
            LongLivedArena arena => arena.Allocate(bytes, alignment),
            SmallArenaState state => state.Handle(_generation - slot.Generation).Allocate(bytes, alignment),
            _ => slot.Lane.Allocate(bytes, alignment),
        };
    }

    /// <summary>Frees a block. Null is ignored. A lane ignores all: its memory ends with its frame.</summary>
    /// <exception cref="EngineMemoryException">The address is no block of the arena, or free already.</exception>
    /// <inheritdoc cref="Allocate(nuint, nuint)"/>
    public void Free(void* block)
    {
        ArenaSlot slot = Slot;
        switch (slot.Owner)
        {
            case LongLivedArena arena:
                arena.Free(block);
                break;
            case SmallArenaState state:
                state.Handle(_generation - slot.Generation).Free(block);
                break;
        }
    }

    /// <summary>
    /// Changes a block's size, in place where the arena can, and keeps the contents up to the smaller size. A moved
    /// block is aligned to 16 bytes. A null block is allocated. A lane's block grows in place while it is the last.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="oldBytes">Its size so far, which only a lane needs to know.</param>
    /// <param name="bytes">The new size in bytes.</param>
    /// <returns>The block, which may have moved. When an exception is thrown the old block is as it was.</returns>
    /// <exception cref="EngineMemoryException">The address is no block of the arena.</exception>
    /// <inheritdoc cref="Allocate(nuint, nuint)"/>
    public void* Reallocate(void* block, nuint oldBytes, nuint bytes)
    {
        ArenaSlot slot = Slot;
        return slot.Owner switch
        {
            LongLivedArena arena => arena.Reallocate(block, bytes),
            SmallArenaState state => state.Handle(_generation - slot.Generation).Reallocate(block, bytes),
            _ => slot.Lane.Reallocate(block, oldBytes, bytes),
        };
    }

    /// <summary>How many bytes of a block may be used: at least what was asked for.</summary>
    /// <param name="block">The block.</param>
    /// <param name="bytes">The size that was asked for.</param>
    /// <exception cref="EngineMemoryException">The address is not a live block of the arena.</exception>
    /// <inheritdoc cref="Allocate(nuint, nuint)"/>
    public nuint UsableBytes(void* block, nuint bytes)
    {
        ArenaSlot slot = Slot;
        return slot.Owner switch
        {
            LongLivedArena arena => arena.UsableBytes(block),
            SmallArenaState state => state.Handle(_generation - slot.Generation).UsableBytes(block),
            _ => Sizes.AlignUp(bytes, FrameLane.DefaultAlignment),
        };
    }

    /// <inheritdoc/>
    public bool Equals(ArenaRef other) => Value == other.Value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ArenaRef other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <summary>The arena as messages name it: "Arena 'world'", "Lane 2 of frame arena 'frames'".</summary>
    public override string ToString() => ArenaSlots.Find(this)?.ToString() ?? "An arena that is gone";
}

/// <summary>
/// What an <see cref="ArenaRef"/> leads to. A slot outlives its owner and serves another one later; its generation has
/// risen by then past all that references and containers of the former owner carry.
/// </summary>
internal sealed unsafe class ArenaSlot(uint index)
{
    private int _lane;

    /// <summary>A <see cref="LongLivedArena"/>, <see cref="SmallArenaState"/> or <see cref="FrameArena"/>; null between
    /// owners.</summary>
    public object? Owner { get; private set; }

    public uint Generation { get; private set; } = 1;

    public ArenaSlot? NextFree { get; set; }

    public FrameLane Lane => ((FrameArena)Owner!).Lane(_lane);

    /// <summary>See <see cref="ArenaRef.Life"/>. A slot never has the same number again.</summary>
    public uint Life => Generation + Owner switch
    {
        LongLivedArena arena => arena.ResetCount,
        SmallArenaState state => (uint)state.Generation + state.ResetCount,
        FrameArena frames => (uint)frames.FrameNumber,
        _ => 0,
    };

    /// <summary>The generation that a reference to the living owner carries.</summary>
    public uint Current => Owner is SmallArenaState state ? Generation + (uint)state.Generation : Generation;

    public void Begin(object owner, int lane)
    {
        // Nobody may take what an owner before left for one of the last frames.
        if (owner is FrameArena frames)
            Generation += (uint)frames.BufferCount;

        _lane = lane;
        Owner = owner;
    }

    public void End()
    {
        Debug.Assert(Owner is not null, "a slot ends once");
        Generation = Life + 1;
        Owner = null;
    }

    public ArenaRef Reference(object owner, bool isDisposed)
    {
        Disposed.ThrowIf(isDisposed, owner);
        return new ArenaRef(index, Current);
    }

    /// <summary>Whether what lay in the owner in a life is there still; a lane's until its buffer's next
    /// turn.</summary>
    /// <param name="life">The life.</param>
    /// <param name="address">Where it lies.</param>
    /// <param name="writes">Whether it is to be changed, which a lane's memory may be in its own frame only.</param>
    /// <returns>What has happened to it, to follow "it"; null where it is there.</returns>
    public string? Loss(uint life, void* address, bool writes)
    {
        uint age = Life - life;
        return Owner switch
        {
            null => "is used after its arena was disposed",
            FrameArena frames => age >= (uint)frames.BufferCount
                ? "is used after its frame's memory was given to another frame"
                : writes && age != 0 ? "is changed after its frame, of which the memory may only be read"
                : age == 0 && frames.Lane(_lane).IsAhead(address) ? "is used after its lane was rewound to before it"
                : null,
            SmallArenaState { IsAlive: false } => "is used after its arena was disposed",
            _ => age == 0 ? null : "is used after its arena was reset or disposed",
        };
    }

    public override string ToString() => Owner is FrameArena frames ? $"Lane {_lane} of frame arena '{frames.Name}'"
        : Owner?.ToString() ?? "An arena that is gone";
}

/// <summary>The slots of the process. Looking one up takes no lock.</summary>
internal static class ArenaSlots
{
    private static readonly Lock s_lock = new();
    private static ArenaSlot?[] s_slots = new ArenaSlot?[64];

    /// <summary>Slots made, the first of which is nobody's: the default reference leads there.</summary>
    private static int s_made = 1;
    private static ArenaSlot? s_free;

    /// <param name="owner">See <see cref="ArenaSlot.Owner"/>.</param>
    /// <param name="lane">Which lane of a frame arena.</param>
    public static ArenaSlot Add(object owner, int lane = 0)
    {
        lock (s_lock)
        {
            ArenaSlot? slot = s_free;
            if (slot is not null)
            {
                s_free = slot.NextFree;
            }
            else
            {
                ArenaSlot?[] slots = s_slots;
                if (s_made == slots.Length)
                    Array.Resize(ref slots, 2 * s_made);

                slots[s_made] = slot = new ArenaSlot((uint)s_made);
                Volatile.Write(ref s_slots, slots);
                s_made++;
            }

            slot.Begin(owner, lane);
            return slot;
        }
    }

    public static void Remove(ArenaSlot? slot)
    {
        lock (s_lock)
        {
            if (slot?.Owner is null)
                return;

            slot.End();
            slot.NextFree = s_free;
            s_free = slot;
        }
    }

    /// <summary>The slot of a reference whose arena lives; null for any other.</summary>
    public static ArenaSlot? Find(ArenaRef reference)
    {
        ArenaSlot? slot = At(reference.Index);
        return slot is { Owner: not null } && slot.Current == reference.Generation
            && slot.Owner is not SmallArenaState { IsAlive: false } ? slot : null;
    }

    /// <summary>A slot by its number, whoever has it; null where there is none.</summary>
    public static ArenaSlot? At(uint index)
    {
        ArenaSlot?[] slots = Volatile.Read(ref s_slots);
        return index < (uint)slots.Length ? slots[index] : null;
    }

    [DoesNotReturn]
    public static ArenaSlot ThrowStale(ArenaRef reference) => throw (reference.Value == 0
        ? new InvalidOperationException("A default ArenaRef names no arena; an arena or a lane converts to one.")
        : new ObjectDisposedException("The arena of an ArenaRef"));
}
