namespace Engine.Tests.Support;

/// <summary>Uses of a handle or a lane whose arena is gone. Each must say so; none may give memory or take
/// any.</summary>
internal static unsafe class StaleUse
{
    /// <param name="handle">The handle.</param>
    /// <param name="block">An address to free.</param>
    public static void IsTold(ArenaHandle handle, void* block)
    {
        for (int use = 0; use < 8; use++)
        {
            try
            {
                void* got = use switch
                {
                    0 => handle.Allocate(64),
                    1 => handle.Allocate<Guid>(),
                    2 => handle.Allocate(1 << 20, 4096),
                    3 => handle.Allocate(5_000),
                    4 => handle.AllocateZeroed(64),
                    5 => handle.Reallocate(block, 1_000),
                    6 => Freed(handle, block),
                    _ => Freed(handle, null),
                };
                Assert.Fail($"use {use} of the handle was not told, and gave 0x{(nint)got:x}");
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }

    /// <param name="lane">The lane.</param>
    /// <param name="mark">A mark of it.</param>
    public static void IsTold(FrameLane lane, FrameMark mark)
    {
        Assert.That(lane.UsedBytes, Is.EqualTo((nuint)0));
        for (int use = 0; use < 4; use++)
        {
            try
            {
                void* got = use switch
                {
                    0 => lane.Allocate(1),
                    1 => lane.Allocate(1_000, 256),
                    2 => lane.AllocateZeroed(64),
                    _ => Rewound(lane, mark),
                };
                Assert.Fail($"use {use} of the lane was not told, and gave 0x{(nint)got:x}");
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }

    private static void* Freed(ArenaHandle handle, void* block)
    {
        handle.Free(block);
        return block;
    }

    private static void* Rewound(FrameLane lane, FrameMark mark)
    {
        lane.Rewind(mark);
        return null;
    }
}
