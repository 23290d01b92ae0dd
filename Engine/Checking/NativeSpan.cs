namespace Engine.Checking;

/// <summary>A range of memory of any length, to fill and to compare: a span has room for 2 GiB only.</summary>
internal readonly unsafe ref struct NativeSpan(nuint start, nuint bytes)
{
    private const nuint Step = 1 << 30;
    private readonly nuint _start = start;
    private readonly nuint _bytes = bytes;

    public void Fill(byte value)
    {
        for (nuint done = 0; done < _bytes; done += Step)
        {
            Part(done).Fill(value);
        }
    }

    /// <summary>The first address that holds another value, or 0.</summary>
    public nuint FirstOtherThan(byte value)
    {
        for (nuint done = 0; done < _bytes; done += Step)
        {
            int index = Part(done).IndexOfAnyExcept(value);
            if (index >= 0)
            {
                return _start + done + (nuint)index;
            }
        }

        return 0;
    }

    private Span<byte> Part(nuint done) => new((void*)(_start + done), (int)nuint.Min(Step, _bytes - done));
}
