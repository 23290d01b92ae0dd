using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Native;
using Samples.Common;

namespace Samples.Benchmarks.Measuring;

/// <summary>Which of the native allocators are there, in C# and in C, and why the others are not.</summary>
internal sealed class Attendance
{
    // The dynamic linker keeps little room for the thread-local memory of libraries that are loaded late; jemalloc wants more.
    private const string LinkerSetting = "GLIBC_TUNABLES";
    private const string MoreRoom = "glibc.rtld.optional_static_tls=16384";
    private readonly Dictionary<string, string> _leftOut = [];

    private Attendance()
    {
    }

    /// <summary>A line for each contestant that is left out.</summary>
    public IEnumerable<string> LeftOut => _leftOut.Select(entry => $"{entry.Key}: {entry.Value}");

    /// <summary>Tries them all: those in C# in a child process, where they will be loaded, those in C by the driver.</summary>
    /// <param name="driver">Null when there is none.</param>
    /// <param name="noDriver">Why, then.</param>
    public static Attendance Find(NativeDriver? driver, string noDriver)
    {
        string settings = Environment.GetEnvironmentVariable(LinkerSetting) is { Length: > 0 } given ? $"{given}:{MoreRoom}" : MoreRoom;
        Environment.SetEnvironmentVariable(LinkerSetting, settings);
        var attendance = new Attendance();
        string[] lines = ChildProcess.Run([BenchmarkCommand.AttendanceOption], "").Split('\n');
        foreach ((Peer peer, string line) in Peer.All.Zip(lines))
        {
            string reason = "";
            bool isNative = driver is not null && driver.Has(peer, out reason);
            attendance.Note(peer.Name, line.Trim());
            attendance.Note(ContestantNames.OfC(peer.Name), isNative ? "" : driver is null ? noDriver : reason);
        }

        return attendance;
    }

    /// <summary>What the child process prints: a line for each native allocator, empty when it can be loaded, else why not.</summary>
    public static IEnumerable<string> Lines() => Peer.All.Select(peer => peer.TryLoad(out _, out string reason) ? "" : reason);

    /// <summary>Whether a contestant takes part.</summary>
    public bool Has(string contestant) => !_leftOut.ContainsKey(contestant);

    private void Note(string contestant, string reason)
    {
        if (reason.Length > 0)
        {
            _leftOut.Add(contestant, reason);
        }
    }
}
