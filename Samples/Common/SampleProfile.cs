using System.Diagnostics;
using SuperSlab;
using SuperSlab.Diagnostics;
using SuperSlab.Reports;
using SuperSlab.Scenes;

namespace Samples.Common;

/// <summary>
/// What <c>--profile DIR</c> does, in every sample alike: counters are turned on before the engine is used, a profiler
/// brackets the frames, and at the end its profile is written to the folder, with the report, the trace and the tables
/// made of it. The thread that runs the frames makes all calls.
/// </summary>
public sealed class SampleProfile : IDisposable
{
    /// <summary>The report's file in the folder.</summary>
    public const string ReportName = "report.html";

    private const string ProfileName = "profile.json";

    /// <summary>Bytes between two samples of allocations where nothing else is said.</summary>
    internal const long UsualSampling = 512 * 1024;

    /// <summary>A frame at 60 Hz: a longer one is a hitch in the profile.</summary>
    private static readonly TimeSpan s_frameBudget = TimeSpan.FromSeconds(1.0 / 60);

    private readonly string _folder;
    private readonly ObservedThread? _thread;
    private long _costTicks;

    private SampleProfile(string folder, EngineMemory memory, ProfilerOptions options, bool attributesFaults)
    {
        _folder = folder;
        Faults = attributesFaults ? new FaultAttribution(memory) : null;
        Profiler = new Profiler(memory, options) { Faults = Faults };
        _thread = Faults?.ObserveThisThread("main");
    }

    /// <summary>Bytes between two samples of allocations in the profiles of this process; 0 samples none.</summary>
    internal static long SamplingBytes { get; set; }

    /// <summary>Where the sample's own times of frames differ; the report says it under the chart.</summary>
    public string FrameMeaning { get; set; } = "";

    /// <summary>What scenes and spans are noted with.</summary>
    public Profiler Profiler { get; }

    /// <summary>
    /// Names the owners of this thread's page faults, and of those of other threads that ask for it; null where nobody
    /// does.
    /// </summary>
    public FaultAttribution? Faults { get; }

    /// <summary>
    /// Makes the folder and turns the counters on. Called before the engine is used. Compiled ahead of time there may
    /// be none: the profile then says so, and has no tags.
    /// </summary>
    /// <exception cref="BadInputException">There can be no such folder.</exception>
    public static void Prepare(string? folder)
    {
        if (folder is null)
            return;

        OutputFile.CheckFolder("--profile", folder);
        OutputFile.Check("--profile", Path.Combine(folder, ProfileName));
        try
        {
            MemoryCounters.Enable();
        }
        catch (InvalidOperationException error)
        {
            Console.Error.WriteLine("warning: " + error.Message);
        }
    }

    /// <summary>Begins a profile at level load; null where none was asked for.</summary>
    /// <param name="memory">The memory that is profiled.</param>
    /// <param name="countsPageFaults">Whether the profiler counts this thread's page faults, as nobody else
    /// does.</param>
    /// <param name="attributesFaults">Whether the owners of page faults are named.</param>
    public static SampleProfile? Begin(
        string? folder, EngineMemory memory, bool countsPageFaults = false, bool attributesFaults = true) =>
        folder is null
            ? null
            : new SampleProfile(
                folder,
                memory,
                new ProfilerOptions
                {
                    CountsPageFaults = countsPageFaults,
                    FrameBudget = s_frameBudget,
                    SampleAllocationsEvery = SamplingBytes,
                },
                attributesFaults);

    /// <summary>
    /// The time in the profiler's calls of all frames so far, with one reading of the clock for each call.
    /// </summary>
    public long CostTicks => _costTicks;

    /// <summary>
    /// A frame begins, and what was allocated since the last one is no frame's: where work goes on between frames.
    /// </summary>
    public void BeginPart()
    {
        Profiler.Sample();
        BeginFrame();
    }

    public void BeginFrame()
    {
        long start = Stopwatch.GetTimestamp();
        Profiler.BeginFrame();
        _costTicks += Stopwatch.GetTimestamp() - start;
    }

    public void EndFrame()
    {
        long start = Stopwatch.GetTimestamp();
        Profiler.EndFrame();
        _costTicks += Stopwatch.GetTimestamp() - start;
    }

    /// <summary>The frame ends, and the sample has counted already what happened in it.</summary>
    public void EndFrame(HotLoopCounts counts)
    {
        long start = Stopwatch.GetTimestamp();
        Profiler.EndFrame(counts);
        _costTicks += Stopwatch.GetTimestamp() - start;
    }

    /// <summary>Writes all files. While the memory and its arenas live.</summary>
    public void Write()
    {
        ProfileDocument document =
            Profiler.ToDocument(ChildProcess.UserCommand) with { FrameMeaning = FrameMeaning };
        OutputFile.Write(Path.Combine(_folder, ProfileName), document.Write);
        OutputFile.Write(Path.Combine(_folder, ReportName), to => HtmlReport.Write(document, to));
        OutputFile.Write(Path.Combine(_folder, "trace.json"), to => TraceFile.Write(document, to));
        CsvFile.Write(document, Path.Combine(_folder, "tables"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _thread?.Dispose();
        Faults?.Dispose();
        Profiler.Dispose();
    }
}
