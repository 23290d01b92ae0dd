using SuperSlab;

namespace Samples.Soak.Load;

/// <summary>
/// A frame arena in use: each tick is a frame, fills its lanes, now and then beyond what is prewarmed, and finds what
/// the last frame left as it was. One thread.
/// </summary>
internal sealed unsafe class Frames(FrameArena arena, Random random, Verdict verdict)
{
    private List<Block> _last = [];
    private List<Block> _current = [];

    public void Tick()
    {
        Begin();
        for (int lane = 0; lane < arena.LaneCount; lane++)
        {
            for (int count = random.Next(60); count > 0; count--)
                Allocate(arena.Lane(lane), (nuint)random.Next(1, 1 << random.Next(1, 14)));

            if (random.Next(200) == 0)
                Allocate(arena.Lane(lane), (nuint)random.Next(1 << 20, 5 << 20));

            using FrameScope scope = arena.Lane(lane).BeginScope();
            verdict.Try(() => new Span<byte>(arena.Lane(lane).Allocate(2000), 2000).Fill(0xEE));
        }

        Check();
        if (random.Next(500) == 0)
            Trim();
    }

    /// <summary>Checks what this frame and the last one hold.</summary>
    public void Check()
    {
        foreach (Block block in _last)
            block.Check();

        foreach (Block block in _current)
            block.Check();
    }

    /// <summary>Gives all overflow memory back, and with it the contents of all frames.</summary>
    public void Trim()
    {
        Begin();
        arena.Trim();
        _last.Clear();
    }

    private void Begin()
    {
        arena.NextFrame();
        (_last, _current) = (_current, _last);
        _current.Clear();
    }

    private void Allocate(FrameLane lane, nuint bytes)
    {
        nuint alignment = random.Next(8) == 0 ? (nuint)16 << random.Next(10) : 16;
        try
        {
            _current.Add(Block.Write(lane.Allocate(bytes, alignment), bytes));
        }
        catch (Exception refusal) when (Verdict.IsRefusal(refusal))
        {
            verdict.CountRefusal(refusal);
        }
    }
}
