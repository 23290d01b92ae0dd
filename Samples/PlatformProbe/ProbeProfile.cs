using System.Diagnostics;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace PlatformProbe;

/// <summary>
/// What <c>--profile</c> does in place of the measurements: each policy that the machine has gets a scene of some
/// SuperSlabs, and the first write to each page of one of them is a frame. What a policy left undone is the page faults
/// of its frames.
/// </summary>
internal static unsafe class ProbeProfile
{
    private const int SuperSlabs = 8;
    private const string Track = "policies";

    /// <summary>Makes the profile.</summary>
    /// <param name="folder">Where it is written to.</param>
    public static int Run(string folder)
    {
        SampleProfile.Prepare(folder);

        // A scene may have any policy but none at all: that is the memory's own, for the scene that names no other.
        using EngineMemory memory = new(
            new EngineMemoryOptions { Prefault = PrefaultPolicy.None, Pages = PageKind.Normal });
        using SampleProfile profile = SampleProfile.Begin(folder, memory, countsPageFaults: true)!;
        int count = 0;
        foreach ((string pagesWord, PageKind pages) in SettingWords.Pages.All)
        {
            foreach ((string policyWord, PrefaultPolicy policy) in SettingWords.Prefault.All)
            {
                if (pages == PageKind.Automatic || policy == PrefaultPolicy.Automatic)
                    continue;

                long start = Stopwatch.GetTimestamp();
                PrefaultTrial trial = PrefaultTrial.Run(policy, pages);
                string name = $"{policyWord}, {pagesWord}";
                if (trial.IsObtained)
                {
                    Write(profile, memory, name, policy, pages);
                    count++;
                }

                string span = trial.IsObtained ? name : $"{name}: not here";
                profile.Profiler.NoteSpan(Track, span, start, Stopwatch.GetTimestamp());
            }
        }

        profile.Write();
        Console.Out.WriteLine(
            $"profiled {count} policies, {SuperSlabs} SuperSlabs each: {profile.Profiler.FrameCount} frames; no figure "
            + $"of the probe. {Path.Combine(folder, SampleProfile.ReportName)} shows them");
        return ExitCodes.Success;
    }

    private static void Write(
        SampleProfile profile, EngineMemory memory, string name, PrefaultPolicy policy, PageKind pages)
    {
        using Scene scene = Scene.Load(memory, new ScenePlan
        {
            Name = name,
            Prefault = policy == PrefaultPolicy.None ? PrefaultPolicy.Automatic : policy,
            Pages = pages,
            Arenas = [new ArenaPlan { Blocks = [new BlockCount(Measurement.SuperSlabBytes, SuperSlabs)] }],
        });
        profile.Profiler.NoteLoad(scene);
        byte*[] blocks = new byte*[SuperSlabs];
        for (int index = 0; index < SuperSlabs; index++)
            blocks[index] = (byte*)scene.Arena.Allocate(Measurement.SuperSlabBytes);

        foreach (byte* block in blocks)
        {
            profile.BeginFrame();
            WritePages(block);
            profile.EndFrame();
        }

        profile.Profiler.NoteUnload(scene);
    }

    /// <summary>
    /// The base pages of the smallest kind that there is: on larger ones the further writes of a page fault in nothing.
    /// </summary>
    private static void WritePages(byte* block)
    {
        for (nuint offset = 0; offset < Measurement.SuperSlabBytes; offset += 4096)
            block[offset] = 1;
    }
}
