using System.Diagnostics;
using System.Numerics;

namespace SuperSlab;

/// <content>
/// Pages without memory: a run that holds a few blocks keeps the pages of the others only until a trim. A block there
/// gets them back, by a call of the system, when it is taken.
/// </content>
internal sealed unsafe partial class SlabRuns
{
    private const int PageShift = PageRange.PageShift;
    private const int PagesPerSlab = PageRange.PagesPerSlab;

    private readonly int _pagesAtOnce = (int)Math.Max(1, space.PageBytes >> PageShift);
    private long _absentPages;

    /// <summary>Bytes of pages without memory in runs.</summary>
    public long AbsentBytes => Volatile.Read(ref _absentPages) << PageShift;

    /// <summary>
    /// Takes a run's free blocks out of it, for a trim of their pages. The run neither ends meanwhile nor gives them.
    /// </summary>
    /// <returns>False, and nothing has changed, where no page with memory has free blocks alone.</returns>
    public bool TrySetAside(ClassState* state, int slab, out AsideBlocks aside)
    {
        aside = default;
        SlabRun* run = _runs + slab;
        bool hasPages = false;
        for (int offset = 0; offset < run->SlabCount; offset++)
        {
            aside.Pages[offset] = (ushort)(FreePages(state, run, offset) & ~_runs[slab + offset].AbsentPages);
            hasPages |= aside.Pages[offset] != 0;
        }

        if (!hasPages)
            return false;

        Span<ulong> bits = new(run->Bitmap, run->BitmapWords);
        bits.CopyTo(aside.Blocks);
        bits.Clear();
        aside.Count = run->FreeBlocks;
        state->EmptyRuns -= run->IsEmpty ? 1 : 0;
        run->FreeBlocks = 0;
        Unlink(state, slab);
        ClassState.AssertHolds(state);
        return true;
    }

    /// <summary>Makes blocks that were set aside free again. <see cref="AsideBlocks.Pages"/> are those that went.
    /// </summary>
    public void TakeBack(ClassState* state, int slab, in AsideBlocks aside)
    {
        SlabRun* run = _runs + slab;
        for (int word = 0; word < run->BitmapWords; word++)
        {
            Debug.Assert((run->Bitmap[word] & aside.Blocks[word]) == 0, "nobody freed what was not out");
            run->Bitmap[word] |= aside.Blocks[word];
        }

        for (int offset = 0; offset < run->SlabCount; offset++)
        {
            // Pages behind the last block, which no block takes, may have gone by another trim at the same time.
            uint gone = aside.Pages[offset] & ~(uint)_runs[slab + offset].AbsentPages;
            _runs[slab + offset].AbsentPages |= (ushort)gone;
            Interlocked.Add(ref _absentPages, BitOperations.PopCount(gone));
        }

        bool wasFull = run->FreeBlocks == 0;
        run->FreeBlocks += aside.Count;
        run->FirstWord = 0;
        state->EmptyRuns += run->IsEmpty ? 1 : 0;
        if (wasFull)
            LinkFirst(state, slab);

        ClassState.AssertHolds(state);
    }

    /// <summary>The pages of one of a run's slabs on which all blocks are free, as <see cref="SlabRun.AbsentPages"/>;
    /// neighbouring ones where the system's pages are larger.</summary>
    public ushort FreePages(ClassState* state, SlabRun* run, int offset)
    {
        uint pages = 0;
        for (int page = 0; page < PagesPerSlab; page += _pagesAtOnce)
        {
            (int first, int last) = BlocksOn(state, run, (offset * PagesPerSlab) + page, _pagesAtOnce);
            int count = last - first + 1;
            if (count <= 0 || Bitmap.RunLength(run->Bitmap, first, count, value: true) == count)
                pages |= Bitmap.Mask(page, _pagesAtOnce);
        }

        return (ushort)pages;
    }

    /// <summary>After a failure: pages that got no memory, as far as all blocks there are free.</summary>
    public void MarkAbsent(ClassState* state, PageRange pages)
    {
        for (int page = pages.First; page < pages.First + pages.Count; page++)
        {
            int slab = page / PagesPerSlab;
            SlabRun* run = _runs + slab - _runs[slab].Offset;
            ushort bit = (ushort)(1 << (page % PagesPerSlab));
            if ((FreePages(state, run, _runs[slab].Offset) & bit & ~_runs[slab].AbsentPages) != 0)
            {
                _runs[slab].AbsentPages |= bit;
                Interlocked.Increment(ref _absentPages);
            }
        }
    }

    private bool HasAbsentPages(SlabRun* run)
    {
        bool has = false;
        for (int offset = 0; offset < run->SlabCount && run->Capacity > 1; offset++)
            has |= run[offset].AbsentPages != 0;

        return has;
    }

    /// <summary>How many of the next blocks have memory; else 1, whose pages count as there from now on.</summary>
    private int LimitToPresent(ClassState* state, int slab, int want, out PageRange absent)
    {
        absent = default;
        SlabRun* run = _runs + slab;
        int present = 0;
        for (int word = run->FirstWord; word < run->BitmapWords; word++)
        {
            for (ulong bits = run->Bitmap[word]; bits != 0 && present < want; bits &= bits - 1)
            {
                PageRange pages = AbsentPagesOf(state, slab, (word << 6) + BitOperations.TrailingZeroCount(bits));
                if (pages.Count == 0)
                {
                    present++;
                    continue;
                }

                if (present != 0)
                    return present;

                absent = pages;
                SetPresent(pages);
                return 1;
            }
        }

        return present;
    }

    /// <summary>From a block's first page without memory to its last one.</summary>
    private PageRange AbsentPagesOf(ClassState* state, int slab, int block)
    {
        nuint start = (nuint)block * state->BlockBytes;
        int end = (slab * PagesPerSlab) + (int)((start + state->BlockBytes - 1) >> PageShift) + 1;
        int first = (slab * PagesPerSlab) + (int)(start >> PageShift);
        while (first < end && !IsAbsent(first))
            first++;

        while (first < end && !IsAbsent(end - 1))
            end--;

        // Larger pages of the system come whole.
        first -= first % _pagesAtOnce;
        end += (_pagesAtOnce - (end % _pagesAtOnce)) % _pagesAtOnce;
        return new PageRange(first, end - first);
    }

    private bool IsAbsent(int page) => (_runs[page / PagesPerSlab].AbsentPages >> (page % PagesPerSlab) & 1) != 0;

    private void SetPresent(PageRange pages)
    {
        for (int page = pages.First; page < pages.First + pages.Count; page++)
        {
            if (IsAbsent(page))
            {
                _runs[page / PagesPerSlab].AbsentPages &= (ushort)~(1 << (page % PagesPerSlab));
                Interlocked.Decrement(ref _absentPages);
            }
        }
    }

    private (uint Absent, uint Partial) ForgetAbsentPages(int slab)
    {
        uint absent = 0;
        uint partial = 0;
        for (int one = slab; one < slab + _runs[slab].SlabCount; one++)
        {
            uint pages = _runs[one].AbsentPages;
            uint bit = 1u << (one % SlabGeometry.SlabCount);
            absent |= pages != 0 ? bit : 0;
            partial |= pages is not (0 or ushort.MaxValue) ? bit : 0;
            Interlocked.Add(ref _absentPages, -BitOperations.PopCount(pages));
            _runs[one].AbsentPages = 0;
        }

        return (absent, partial);
    }

    /// <summary>The blocks that have bytes on neighbouring pages of a run; none behind the last block.</summary>
    private static (int First, int Last) BlocksOn(ClassState* state, SlabRun* run, int page, int pages)
    {
        nuint start = (nuint)page << PageShift;
        nuint end = start + ((nuint)pages << PageShift);
        return ((int)(start / state->BlockBytes), Math.Min((int)((end - 1) / state->BlockBytes), run->Capacity - 1));
    }
}

/// <summary>A run's free blocks that a trim set aside.</summary>
internal unsafe struct AsideBlocks
{
    private const int MostWords = (int)(SlabGeometry.SlabBytes / SizeClasses.Quantum) / 64;

    /// <summary>As in <see cref="SlabRun.Bitmap"/>.</summary>
    public BlockBits Blocks;

    /// <summary>Of each slab the pages to trim, as in <see cref="SlabRun.AbsentPages"/>.</summary>
    public SlabPages Pages;

    public int Count;

    [System.Runtime.CompilerServices.InlineArray(MostWords)]
    public struct BlockBits
    {
        private ulong _first;
    }

    [System.Runtime.CompilerServices.InlineArray(SlabGeometry.SlabCount)]
    public struct SlabPages
    {
        private ushort _first;
    }
}

/// <summary>Neighbouring pages of 4 KiB, the smallest that any system has, counted from the first slab on.</summary>
internal readonly record struct PageRange(int First, int Count)
{
    public const int PageShift = 12;
    public const int PagesPerSlab = 1 << (SlabGeometry.SlabShift - PageShift);

    public nuint Bytes => (nuint)Count << PageShift;

    public static PageRange OfSlabs(int slab, int count) => new(slab * PagesPerSlab, count * PagesPerSlab);
}
