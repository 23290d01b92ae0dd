// What does my machine do? For each prefault policy with each kind of pages: is it available, how fast is it, and do
// writes afterwards really not fault. Then what the engine chooses by itself and why.
// Exit code 1 when a policy that said it was done left pages to be faulted in, or the automatic choice does not work.
using PlatformProbe;
using Samples.Common;
using SuperSlab;

return SampleHost.Run(ProbeCommand.Create(Measure, ProbeProfile.Run, StressRun.Run), args);

static int Measure(JsonDestination json)
{
    VirtualMemory os = VirtualMemory.Create();
    var measurement = new Measurement(os);
    var failures = new List<string>();
    var rows = new List<ProbeRow>();
    foreach (PageKind pages in new[] { PageKind.Normal, PageKind.TransparentHuge, PageKind.ExplicitHuge })
    {
        foreach ((_, PrefaultPolicy policy) in SettingWords.Prefault.All)
        {
            if (policy == PrefaultPolicy.Automatic)
                continue;

            ProbeRow row = measurement.Probe(policy, pages);
            rows.Add(row);
            if (row.WhyNot is null && policy != PrefaultPolicy.None
                && (row.PagesThatWouldFault > 0 || row.FaultsOfWritePass > 0))
            {
                failures.Add(
                    $"{row.Policy} on {row.Pages} pages said it was done, but "
                    + $"{FigureText.Count(row.PagesThatWouldFault, "page")} would fault and "
                    + $"{FigureText.Count(row.FaultsOfWritePass)} did");
            }
        }
    }

    const nuint SuperSlab = Measurement.SuperSlabBytes;
    var automatic = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic);
    if (!os.TryReserve(SuperSlab, SuperSlab, out nint address))
    {
        failures.Add("no address space for one SuperSlab");
    }
    else
    {
        automatic.Provide(address, SuperSlab);
        if (os.PagesThatWouldFault(address, SuperSlab) > 0)
            failures.Add("the automatic choice leaves pages that would fault");

        os.Release(address, SuperSlab);
    }

    nuint available = os.AvailableBytes(out string source);
    bool isAmple = available > (nuint)2 << 30 && os.Facts.AddressSpaceLimitBytes > (nuint)8 << 30;
    nuint prewarmBytes = isAmple ? (nuint)1 << 30 : Measurement.LargeBytes;
    int[] threads = Environment.ProcessorCount > 1 ? [1, Math.Min(Environment.ProcessorCount, 8)] : [1];
    using BareKernel? bare = os.Facts.System == SystemKinds.Linux && os.Facts.HasTransparentHugePages
        ? new BareKernel()
        : null;
    IReadOnlyList<PrewarmRow> prewarms = measurement.Prewarms(threads, prewarmBytes, bare);

    IReadOnlyList<RiddleRow> riddle = [];
    if (os.Facts.System == SystemKinds.Linux && PageFaults.IsPerThread)
    {
        using var populate = new PopulateRiddle(measurement, os.Facts.PageBytes);
        _ = populate.Run(); // the first time is for the compiler
        riddle = populate.Run();
    }

    _ = PageFaultRecorder.IsAvailable(out string recorder);
    var result = new ProbeResult
    {
        System = os.Facts.System.ToString(),
        PageBytes = (long)os.Facts.PageBytes,
        TransparentHugePages = os.Facts.TransparentHugePages,
        AvailableMebibytes = available == nuint.MaxValue ? -1 : (long)(available >> 20),
        AvailableSource = source,
        FaultRecorder = recorder,
        Rows = rows,
        AutomaticChain = automatic.Describe(),
        Prewarms = prewarms,
        Riddle = riddle,
        Failures = failures,
    };
    ProbeText.Write(result, json.Tables);
    json.Write(result, ProbeJson.Default.ProbeResult);
    return failures.Count == 0 ? ExitCodes.Success : ExitCodes.Failure;
}
