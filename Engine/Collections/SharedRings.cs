using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>
/// The ring between one producer and one consumer, who never wait for each other (L. Lamport, "Proving the correctness
/// of multiprocess programs", 1977). Each remembers how far the other was when it last looked, and looks again only
/// where that leaves no room or no element; so the lines of the two are rarely exchanged.
/// </summary>
/// <remarks>
/// Equation: Popped &lt;= Pushed &lt;= Popped + Capacity. Positions count all elements ever and do not wrap. What one
/// side writes lies 128 bytes from what the other does, because processors fetch lines in pairs; so no alignment of the
/// block is needed.
/// </remarks>
[StructLayout(LayoutKind.Explicit, Size = 3 * 128)]
internal unsafe struct SpscHeader
{
    [FieldOffset(0)]
    public ContainerHeader Common;

    /// <summary>The places less one, a power of two less one; at least the capacity less one.</summary>
    [FieldOffset(64)]
    public long Mask;

    /// <summary>Written by the producer.</summary>
    [FieldOffset(128)]
    public long Pushed;

    /// <summary>The producer's: what it last saw of Popped.</summary>
    [FieldOffset(136)]
    public long PoppedSeen;

    /// <summary>Written by the consumer.</summary>
    [FieldOffset(256)]
    public long Popped;

    /// <summary>The consumer's: what it last saw of Pushed.</summary>
    [FieldOffset(264)]
    public long PushedSeen;

    /// <summary>By the producer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryPush<T>(SpscHeader* ring, T item)
        where T : unmanaged
    {
        long at = ring->Pushed;
        if (at - ring->PoppedSeen >= ring->Common.Capacity)
        {
            // Acquire, with the release in TryPop: the consumer has read the places up to here before they are written.
            ring->PoppedSeen = Volatile.Read(ref ring->Popped);
            if (at - ring->PoppedSeen >= ring->Common.Capacity)
                return false;
        }

        ((T*)ring->Common.Data)[at & ring->Mask] = item;

        // Release: who sees the new position sees the element.
        Volatile.Write(ref ring->Pushed, at + 1);
        return true;
    }

    /// <summary>By the consumer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryPop<T>(SpscHeader* ring, out T item)
        where T : unmanaged
    {
        long at = ring->Popped;
        if (at >= ring->PushedSeen)
        {
            // Acquire, with the release in TryPush: the elements up to here are read after they were written.
            ring->PushedSeen = Volatile.Read(ref ring->Pushed);
            if (at >= ring->PushedSeen)
            {
                item = default;
                return false;
            }
        }

        item = ((T*)ring->Common.Data)[at & ring->Mask];

        // Release: who sees the new position may write the place, which has been read.
        Volatile.Write(ref ring->Popped, at + 1);
        return true;
    }

    /// <summary>By anyone: right at some moment during the call, or between two of them.</summary>
    public static int Count(SpscHeader* ring)
    {
        // The other order could give fewer than none.
        long popped = Volatile.Read(ref ring->Popped);
        return (int)Math.Min(Volatile.Read(ref ring->Pushed) - popped, ring->Common.Capacity);
    }
}

/// <summary>
/// The bounded queue of many producers and consumers by D. Vyukov ("Bounded MPMC queue", 1024cores.net, 2010): each
/// cell has a sequence number, which says whose turn it is. A thread takes a position by one compare-and-swap and then
/// has its cell alone.
/// </summary>
/// <remarks>
/// Equation: a cell's sequence is its position while it waits for an element, one more while it has one, and the
/// capacity more once that was taken. A thread that stops between its swap and its release holds up those that come to
/// the same cell, nobody else.
/// </remarks>
[StructLayout(LayoutKind.Explicit, Size = 3 * 128)]
internal unsafe struct MpmcHeader
{
    [FieldOffset(0)]
    public ContainerHeader Common;

    /// <summary>Written by producers. Far from what consumers write, as in <see cref="SpscHeader"/>.</summary>
    [FieldOffset(128)]
    public long Enqueued;

    /// <summary>Written by consumers.</summary>
    [FieldOffset(256)]
    public long Dequeued;

    public struct Cell<T>
        where T : unmanaged
    {
        public long Sequence;
        public T Item;
    }

    public static void Begin<T>(MpmcHeader* queue, int capacity)
        where T : unmanaged
    {
        queue->Common.Capacity = capacity;
        for (int index = 0; index < capacity; index++)
            ((Cell<T>*)queue->Common.Data)[index].Sequence = index;
    }

    public static bool TryEnqueue<T>(MpmcHeader* queue, T item)
        where T : unmanaged
    {
        long at = Volatile.Read(ref queue->Enqueued);
        while (true)
        {
            Cell<T>* cell = (Cell<T>*)queue->Common.Data + (at & (queue->Common.Capacity - 1));

            // Acquire, with the release in TryDequeue: the element of a lap ago was read before this one is written.
            long turn = Volatile.Read(ref cell->Sequence) - at;
            if (turn < 0)
                return false; // it is there still

            // The swap gives out positions alone: the cell's sequence hands over the element.
            if (turn == 0 && Interlocked.CompareExchange(ref queue->Enqueued, at + 1, at) == at)
            {
                cell->Item = item;

                // Release: who sees the sequence sees the element.
                Volatile.Write(ref cell->Sequence, at + 1);
                return true;
            }

            at = Volatile.Read(ref queue->Enqueued);
        }
    }

    public static bool TryDequeue<T>(MpmcHeader* queue, out T item)
        where T : unmanaged
    {
        long at = Volatile.Read(ref queue->Dequeued);
        while (true)
        {
            Cell<T>* cell = (Cell<T>*)queue->Common.Data + (at & (queue->Common.Capacity - 1));

            // Acquire, with the release in TryEnqueue: the element is read after it was written.
            long turn = Volatile.Read(ref cell->Sequence) - (at + 1);
            if (turn < 0)
            {
                item = default;
                return false; // none has come yet
            }

            if (turn == 0 && Interlocked.CompareExchange(ref queue->Dequeued, at + 1, at) == at)
            {
                item = cell->Item;

                // Release: who sees the sequence may write the cell, which has been read.
                Volatile.Write(ref cell->Sequence, at + queue->Common.Capacity);
                return true;
            }

            at = Volatile.Read(ref queue->Dequeued);
        }
    }

    /// <summary>Elements and those on their way in or out: right where nobody changes the queue.</summary>
    public static int Count(MpmcHeader* queue)
    {
        long dequeued = Volatile.Read(ref queue->Dequeued);
        return (int)Math.Min(Volatile.Read(ref queue->Enqueued) - dequeued, queue->Common.Capacity);
    }
}
