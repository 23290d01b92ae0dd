// What --native-libraries does.
using System.Globalization;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Reporting;
using Samples.Common;
using SuperSlab;
using SuperSlab.Interop;

namespace Samples.Benchmarks.Libraries;

/// <summary>
/// Two C libraries, SQLite and Lua, on their own malloc, on an arena by the functions of a native allocator, and on an
/// arena by the inline code of engine_memory.h, by turns in one process; and on bare lists of free blocks, to see what
/// is left of the time when allocating costs next to nothing. The arenas are prewarmed with what a first
/// run took. Times are the thread's processor time, page faults its own in the measured runs.
/// </summary>
internal static unsafe class NativeLibrariesProgram
{
    /// <returns>The exit code: failure where a run on a prewarmed arena called the system or made garbage.</returns>
    public static int Run(BenchmarkOptions options)
    {
        var json = new JsonDestination(options.Json);
        int rounds = options.Repeat ?? (options.IsQuick ? 3 : 9);
        int rows = options.IsQuick ? 20_000 : 200_000;
        using InlineHooks? hooks = InlineHooks.TryCreate(out string reason);
        if (hooks is null)
        {
            json.Tables.WriteLine(reason);
            return ExitCodes.Failure;
        }

        var sqlite = new Sqlite(rows);
        var lua = new Lua(options.IsQuick ? 1 : 4);
        List<NativeLibraryRow> results = [];
        results.AddRange(Measure("SQLite", rounds, hooks, () => sqlite.Life(lookaside: true), sqlite));
        results.AddRange(Measure("SQLite, lookaside off", rounds, hooks, () => sqlite.Life(lookaside: false), sqlite));
        foreach ((string name, byte[] code) in Lua.Scripts)
            results.AddRange(Measure("Lua, " + name, rounds, hooks, () => lua.Life(code), lua));

        json.Tables.Write(Print(results));
        json.Write(new NativeLibrariesDocument(results), BenchmarkJson.Default.NativeLibrariesDocument);
        bool holds = results.TrueForAll(row =>
            row.Memory is NativeLibraryRow.OwnMalloc or NativeLibraryRow.BareLists
            || row is { OsCalls: 0, ManagedBytes: 0, BlocksLeft: 0 });
        return holds ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static NativeLibraryRow[] Measure(
        string work, int rounds, InlineHooks hooks, Func<long> life, IHookedLibrary library)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off, RetainBytes = 1 << 30 });
        using LongLivedArena byFunctions = Prewarmed(memory, library, life);
        using LongLivedArena inline = Prewarmed(memory, library, life);
        using NativeAllocator functions = byFunctions.ToNativeAllocator();
        using NativeAllocator inlined = inline.ToNativeAllocator();
        Contestant[] contestants =
        [
            new(NativeLibraryRow.OwnMalloc, null, library.UseOwnMemory),
            new("arena by functions", byFunctions, () => library.Use(functions)),
            new("arena inline in C", inline, () => library.Use(hooks, inlined)),
            new(NativeLibraryRow.BareLists, null, () => library.Use(hooks, null)),
        ];
        long sum = 0;
        for (int round = -1; round < rounds; round++) // the round before the first warms up
        {
            foreach (Contestant one in contestants)
            {
                one.Use();
                long managed = GC.GetAllocatedBytesForCurrentThread();
                long calls = memory.OsCalls;
                long faults = hooks.Faults();
                long start = hooks.RunTime();
                long result = life();
                long elapsed = hooks.RunTime() - start;
                if (round >= 0)
                {
                    one.Faults += hooks.Faults() - faults;
                    one.OsCalls += memory.OsCalls - calls;
                    one.ManagedBytes += GC.GetAllocatedBytesForCurrentThread() - managed;
                    one.Milliseconds.Add(elapsed / 1e6);
                }

                sum = sum == 0 ? result : sum;
                if (result != sum)
                    throw new InvalidOperationException($"{work} gave {result} by {one.Name}, and {sum} before.");
            }
        }

        library.UseOwnMemory();
        memory.Validate();
        double own = Statistics.Median(contestants[0].Milliseconds);
        return [.. contestants.Select(one => new NativeLibraryRow(
            work, one.Name, Statistics.Median(one.Milliseconds), one.Milliseconds.Min(), one.Milliseconds.Max(),
            Statistics.Median(one.Milliseconds) / own, one.Faults / rounds, one.OsCalls, one.ManagedBytes,
            one.Arena?.LiveBlocks().Sum(block => block.Count) ?? 0))];
    }

    /// <summary>An arena with all that a life takes; a first one shows how much that is.</summary>
    private static LongLivedArena Prewarmed(EngineMemory memory, IHookedLibrary library, Func<long> life)
    {
        using LongLivedArena recording = memory.CreateLongLivedArena("recording");
        using (NativeAllocator allocator = recording.ToNativeAllocator())
        {
            library.Use(allocator);
            life();
            library.UseOwnMemory();
        }

        LongLivedArena arena = memory.CreateLongLivedArena("prewarmed");
        arena.Prewarm(recording.PeakBlocks());
        return arena;
    }

    private static string Print(List<NativeLibraryRow> rows)
    {
        var table = new TextTable(
            ["", "memory", "ms", "min to max", "of its", "page", "OS", "managed", "blocks"],
            ["", "", "", "", "malloc", "faults", "calls", "bytes", "left"]);
        foreach (NativeLibraryRow row in rows)
        {
            table.Add(
                row.Work, row.Memory, Text(row.Milliseconds), $"{Text(row.Least)} to {Text(row.Most)}",
                row.Ratio.ToString("N2", CultureInfo.InvariantCulture), Text(row.PageFaults), Text(row.OsCalls),
                Text(row.ManagedBytes), Text(row.BlocksLeft));
        }

        string title = "C libraries on their own malloc and on arenas, processor time, medians; page faults a run";
        return title + Environment.NewLine + Environment.NewLine + table;
    }

    private static string Text(double value) => value.ToString("N1", CultureInfo.InvariantCulture);

    private static string Text(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private sealed record Contestant(string Name, LongLivedArena? Arena, Action Use)
    {
        public List<double> Milliseconds { get; } = [];

        public long Faults { get; set; }

        public long OsCalls { get; set; }

        public long ManagedBytes { get; set; }
    }
}

/// <summary>The hooks of hooks.c, compiled with gcc into a folder of its own.</summary>
internal sealed unsafe class InlineHooks : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("engine-hooks-");
    private nint _library;

    private InlineHooks()
    {
    }

    /// <summary>Compiles them.</summary>
    /// <returns>Null when that is not possible here, for the reason given.</returns>
    public static InlineHooks? TryCreate(out string reason)
    {
        var hooks = new InlineHooks();
        try
        {
            _ = NativeDriver.CopySources("Libraries.", hooks._folder);
            NativeDriver.RunProcess(
                "gcc", ["-O2", "-shared", "-fPIC", hooks.PathOf("hooks.c"), "-o", hooks.PathOf("hooks.so")], null);
            hooks._library = NativeLibrary.Load(hooks.PathOf("hooks.so"));
            reason = "";
            return hooks;
        }
        catch (Exception error) when (error is RunFailedException or System.ComponentModel.Win32Exception)
        {
            hooks.Dispose();
            reason = $"gcc could not compile the hooks: {error.Message}";
            return null;
        }
    }

    /// <summary>sqlite3_mem_methods.</summary>
    public void* SqliteMethods(NativeAllocator? allocator) => Export("methods", allocator);

    /// <summary>lua_Alloc.</summary>
    public void* Resize(NativeAllocator? allocator) => Export("resize", allocator);

    /// <summary>Page faults of the calling thread so far.</summary>
    public long Faults() => ((delegate* unmanaged[Cdecl]<nint>)NativeLibrary.GetExport(_library, "faults"))();

    /// <summary>Nanoseconds that the calling thread has run, whoever else wanted its core.</summary>
    public long RunTime() => ((delegate* unmanaged[Cdecl]<nint>)NativeLibrary.GetExport(_library, "run_time"))();

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>A hook over an allocator, of which all calls are from now on, or of the bare lists.</summary>
    private void* Export(string name, NativeAllocator? allocator)
    {
        if (allocator is not null)
            ((delegate* unmanaged[Cdecl]<nint, void>)NativeLibrary.GetExport(_library, "use"))(allocator.Inline);

        return (void*)NativeLibrary.GetExport(_library, allocator is null ? "bare_" + name : name);
    }

    private string PathOf(string file) => Path.Combine(_folder.FullName, file);
}

/// <summary>The whole result, as JSON has it.</summary>
internal sealed record NativeLibrariesDocument(IReadOnlyList<NativeLibraryRow> Rows);

/// <summary>
/// One work on one memory. Faults are those of a run on average, OS calls and managed bytes those of all.
/// </summary>
internal sealed record NativeLibraryRow(
    string Work,
    string Memory,
    double Milliseconds,
    double Least,
    double Most,
    double Ratio,
    long PageFaults,
    long OsCalls,
    long ManagedBytes,
    long BlocksLeft)
{
    public const string OwnMalloc = "its malloc";
    public const string BareLists = "bare lists in C";
}
