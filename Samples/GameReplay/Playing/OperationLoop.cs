using System.Diagnostics;
using Samples.GameReplay.Contestants;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Touching;

namespace Samples.GameReplay.Playing;

/// <summary>The measured work: one thread's operations of one step, compiled once for each allocator and way of touching.</summary>
internal static unsafe class OperationLoop<TLane, TTouch>
    where TLane : ILane, allows ref struct
    where TTouch : struct, ITouch
{
    /// <summary>Does the operations in their order.</summary>
    /// <returns>The ticks of the stopwatch that passed in them; the clock stands still while another thread is waited for.</returns>
    public static long Run(ref TLane lane, Operation* first, int count, Progress progress, int thread)
    {
        long worked = 0;
        long start = Stopwatch.GetTimestamp();
        Operation* end = first + count;
        for (Operation* operation = first; operation < end; operation++)
        {
            if (operation->Kind == OperationKind.Wait)
            {
                if (!progress.HasReached(operation->OtherThread, (long)operation->Bytes))
                {
                    worked += Stopwatch.GetTimestamp() - start;
                    progress.WaitFor(operation->OtherThread, (long)operation->Bytes);
                    start = Stopwatch.GetTimestamp();
                }

                continue;
            }

            Do(ref lane, operation);
            if (operation->Publishes)
            {
                progress.Publish(thread, operation - first + 1);
            }
        }

        return worked + Stopwatch.GetTimestamp() - start;
    }

    private static void Do(ref TLane lane, Operation* operation)
    {
        uint slot = operation->Slot;
        nuint bytes = (nuint)operation->Bytes;
        byte alignment = operation->AlignmentShift;
        switch (operation->Kind)
        {
            case OperationKind.Allocate:
                TTouch.Fresh(ref lane.Allocate(slot, bytes), bytes, operation->Tag, 0, zeroed: false);
                break;
            case OperationKind.Free:
                if (TTouch.Checks)
                {
                    TTouch.Check(ref lane.Block(slot, alignment), bytes, operation->Tag, "when it was freed");
                }

                lane.Free(slot, alignment);
                break;
            case OperationKind.AllocateZeroed:
                TTouch.Fresh(ref lane.AllocateZeroed(slot, bytes), bytes, operation->Tag, 0, zeroed: true);
                break;
            case OperationKind.AllocateAligned:
                TTouch.Fresh(ref lane.AllocateAligned(slot, bytes, alignment), bytes, operation->Tag, alignment, zeroed: false);
                break;
            default:
                nuint oldBytes = (nuint)operation->OldBytes;
                TTouch.Resized(ref lane.Resize(slot, oldBytes, bytes, alignment), oldBytes, bytes, operation->Tag);
                break;
        }
    }
}
