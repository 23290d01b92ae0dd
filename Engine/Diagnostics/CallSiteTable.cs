namespace SuperSlab.Diagnostics;

/// <summary>Makes the part of a profile about call sites: gives the sampled addresses names. Cold.</summary>
internal sealed class CallSiteTable(SampleReading samples, CallSites callSites, string noStacks)
{
    private const string OwnPrefix = "SuperSlab.";
    private const string DeeperFrames = "(deeper frames, not kept)";

    private readonly List<string> _places = [];
    private readonly Dictionary<string, int> _placeNumbers = [];

    public ProfileCallSites Make()
    {
        Sums[] live = Live();
        Dictionary<string, (int[] Places, string Tag, Sums Live, Sums All)> stacks = [];
        for (int number = 0; number < samples.Sites.Length; number++)
        {
            SampledSite site = samples.Sites[number];
            if (site.Samples == 0)
                continue;

            // Stacks that differ only in instructions of the same methods are one.
            int[] places = PlacesOf(site);
            string tag = AllocationTag.TextOf(site.Tag);
            string key = $"{string.Join(' ', places)} {tag}";
            Sums all = new(site.Bytes, site.Variance, site.Samples);
            stacks[key] = stacks.TryGetValue(key, out (int[] Places, string Tag, Sums Live, Sums All) known)
                ? (places, tag, known.Live + live[number], known.All + all)
                : (places, tag, live[number], all);
        }

        return new ProfileCallSites
        {
            Unavailable = "",
            NoStacks = noStacks,
            IntervalBytes = samples.MeanBytes,
            SampleCount = samples.Counts.Samples,
            LiveSampleCount = samples.Counts.LiveCount,
            UnkeptBlockCount = samples.Counts.UnkeptBlocks,
            UnkeptStackCount = samples.Counts.UnkeptStacks,
            Stacks =
            [
                .. stacks.Values.OrderByDescending(stack => stack.Live.Bytes).ThenByDescending(stack => stack.All.Bytes)
                    .Select(stack => new ProfileCallSites.StackRow(
                        stack.Places, stack.Tag,
                        stack.Live.Bytes, stack.Live.Deviation, stack.Live.Samples,
                        stack.All.Bytes, stack.All.Deviation, stack.All.Samples)),
            ],
            Places = _places,
        };
    }

    /// <summary>The sums of the live blocks by site.</summary>
    private Sums[] Live()
    {
        Sums[] live = new Sums[samples.Sites.Length];
        foreach (SampledBlock block in samples.Live)
            live[block.Site] += new Sums(block.Weight, block.Weight * (double)(block.Weight - block.Bytes), 1);

        return live;
    }

    /// <summary>The places of a site without the engine's own on the inside.</summary>
    private int[] PlacesOf(in SampledSite site)
    {
        ReadOnlySpan<nuint> stack = samples.StackOf(site);
        bool isCut = stack.Length == SampleTables.MostFrames;
        List<string> places = callSites.PlacesOf(isCut ? stack[..^1] : stack);
        int own = places.FindIndex(static place => !place.StartsWith(OwnPrefix, StringComparison.Ordinal));
        if (own > 0)
            places.RemoveRange(0, own);

        if (isCut)
            places.Add(DeeperFrames);

        return [.. places.Select(NumberOf)];
    }

    private int NumberOf(string place)
    {
        if (!_placeNumbers.TryGetValue(place, out int number))
        {
            number = _places.Count;
            _placeNumbers.Add(place, number);
            _places.Add(place);
        }

        return number;
    }

    private readonly record struct Sums(long Bytes, double Variance, long Samples)
    {
        public long Deviation => (long)Math.Round(Math.Sqrt(Variance));

        public static Sums operator +(Sums left, Sums right) => new(
            left.Bytes + right.Bytes, left.Variance + right.Variance, left.Samples + right.Samples);
    }
}
