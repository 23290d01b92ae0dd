// The C program: compiles it, runs it, reads what it prints.
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Benchmarks.Scaling;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks.Native;

/// <summary>
/// The workloads in C: compiled with gcc into a folder of its own when the benchmarks begin, and run once for each
/// native allocator, which takes malloc's place by LD_PRELOAD.
/// </summary>
internal sealed class NativeDriver : IDisposable
{
    private const string Resources = "Native.";
    private const string Driver = "driver";
    private const string NullDriver = "driver-null";
    private const string SystemCalls = "system_calls";
    private static readonly string[] Flags =
        ["-O2", "-fno-builtin-malloc", "-fno-builtin-free", "-fno-builtin-realloc", "-pthread"];
    private readonly DirectoryInfo _folder;

    private NativeDriver(DirectoryInfo folder) => _folder = folder;

    /// <summary>Compiles the driver.</summary>
    /// <returns>Null when that is not possible here, for the reason given.</returns>
    public static NativeDriver? TryCreate(out string reason)
    {
        if (!OperatingSystem.IsLinux())
        {
            reason = "the native driver is for Linux, where a library can take malloc's place";
            return null;
        }

        try
        {
            reason = "";
            return Create();
        }
        catch (Exception error) when (error is RunFailedException or Win32Exception)
        {
            reason = $"gcc could not compile the native driver: {error.Message}";
            return null;
        }
    }

    /// <summary>Compiles the driver.</summary>
    /// <exception cref="Win32Exception">gcc is not installed.</exception>
    /// <exception cref="RunFailedException">gcc refused the sources.</exception>
    public static NativeDriver Create()
    {
        var driver = new NativeDriver(Directory.CreateTempSubdirectory("engine-benchmarks-"));
        try
        {
            driver.Compile();
            return driver;
        }
        catch
        {
            driver.Dispose();
            throw;
        }
    }

    /// <summary>Whether the driver gets its memory from an allocator.</summary>
    public bool Has(Peer peer, out string reason)
    {
        // A library that cannot be preloaded is a warning only, and the C library's malloc is taken in its stead.
        string provider = RunProcess(PathOf(Driver), ["who"], peer.Library).Trim();
        bool isThere = peer.Library is null || provider.Contains(peer.Library, StringComparison.Ordinal);
        reason = isThere ? "" : $"{peer.Library} is not there (Debian: {peer.Package})";
        return isThere;
    }

    /// <summary>The library by which a thread's system calls are counted in C#.</summary>
    public string SystemCallsLibrary => PathOf(SystemCalls + ".so");

    /// <summary>The arguments by which the driver does a workload.</summary>
    public IReadOnlyList<string> ArgumentsOf(Workload work) => work.NativeArguments(_folder.FullName);

    /// <summary>Runs the driver and gives what it printed; <see cref="NativeOutput"/> reads it.</summary>
    /// <param name="arguments">From <see cref="ArgumentsOf"/>.</param>
    /// <param name="peer">The allocator; null for the loop without one.</param>
    /// <exception cref="RunFailedException">The driver failed.</exception>
    public string Run(IReadOnlyList<string> arguments, Peer? peer) =>
        RunProcess(PathOf(peer is null ? NullDriver : Driver), arguments, peer?.Library);

    /// <summary>
    /// Runs a scaling workload and gives what the driver printed; <see cref="ScalingMeasurement.Parse"/> reads it.
    /// </summary>
    /// <exception cref="RunFailedException">The driver failed.</exception>
    public string Run(ScalingLoad load, Peer peer) =>
        RunProcess(
            PathOf(Driver), ["scaling", load.Work.Name, $"{load.Threads}", $"{load.Steps}", $"{load.Repetitions}"],
            peer.Library);

    public void Dispose() => _folder.Delete(recursive: true);
    private string PathOf(string file) => Path.Combine(_folder.FullName, file);

    private void Compile()
    {
        string[] sources = Array.FindAll(
            CopySources(Resources, _folder), path => path.EndsWith(".c", StringComparison.Ordinal));
        RunProcess("gcc", [.. Flags, .. sources, "-o", PathOf(Driver)], preload: null);
        RunProcess("gcc", [.. Flags, "-DALLOCATE_NULL", .. sources, "-o", PathOf(NullDriver)], preload: null);
        RunProcess(
            "gcc", ["-O2", "-shared", "-fPIC", PathOf(SystemCalls + ".c"), "-o", SystemCallsLibrary], preload: null);
    }

    /// <summary>Copies the C files that the assembly has under a prefix into a folder, and gives their paths.</summary>
    public static string[] CopySources(string prefix, DirectoryInfo folder)
    {
        Assembly assembly = typeof(NativeDriver).Assembly;
        string[] names = Array.FindAll(
            assembly.GetManifestResourceNames(), name => name.StartsWith(prefix, StringComparison.Ordinal));
        return Array.ConvertAll(names, name =>
        {
            string path = Path.Combine(folder.FullName, name[prefix.Length..]);
            using Stream resource = assembly.GetManifestResourceStream(name)!;
            using FileStream copy = File.Create(path);
            resource.CopyTo(copy);
            return path;
        });
    }

    /// <summary>Runs a program and gives its standard output.</summary>
    /// <param name="preload">The library that takes malloc's place in it; null for none.</param>
    /// <exception cref="RunFailedException">It failed.</exception>
    public static string RunProcess(string file, IEnumerable<string> arguments, string? preload)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (preload is not null)
            start.Environment["LD_PRELOAD"] = preload;

        using Process process = Process.Start(start)!;
        Task<string> complaint = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new RunFailedException(string.Create(
                CultureInfo.InvariantCulture,
                $"{Path.GetFileName(file)} ended with exit code {process.ExitCode}: {complaint.Result.Trim()}"));
    }
}

/// <summary>Reads what the native driver prints: lines of a key and numbers.</summary>
internal static class NativeOutput
{
    /// <summary>The output of one workload.</summary>
    /// <exception cref="RunFailedException">A line that must be there is not.</exception>
    public static Measurement Parse(string output, Workload work)
    {
        Dictionary<string, string[]> lines = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split(' ');
            lines[words[0]] = words[1..];
        }

        if (!lines.TryGetValue(work.NativeTime, out string[]? times)
            || !lines.TryGetValue("checksum", out string[]? checksum))
        {
            throw new RunFailedException($"{work.Id}: the native driver printed no result");
        }

        return new Measurement
        {
            Workload = work.Id,
            Nanoseconds = Array.ConvertAll(
                times, time => double.Parse(time, CultureInfo.InvariantCulture) / work.Operations),
            Checksum = ulong.Parse(checksum[0], CultureInfo.InvariantCulture),
            PeakResidentBytes = lines.TryGetValue("peak", out string[]? peak)
                ? long.Parse(peak[0], CultureInfo.InvariantCulture)
                : null,
        };
    }
}
