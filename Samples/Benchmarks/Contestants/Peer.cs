// The native allocators.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Native;
using Samples.Common;

namespace Samples.Benchmarks.Contestants;

/// <summary>A native allocator to compare with: its library, and what its functions are called in it.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Library">The file that is loaded; null for the C library, which every program has.</param>
/// <param name="Prefix">What its functions' names begin with, so that those of the C library are not taken for
/// them.</param>
/// <param name="Package">Debian's package of it.</param>
internal sealed record Peer(string Name, string? Library, string Prefix, string Package)
{
    /// <summary>All of them; the C library's first.</summary>
    public static readonly Peer[] All =
    [
        new("malloc", null, "", "libc6"),
        new("mimalloc", "libmimalloc.so.2", "mi_", "libmimalloc2.0"),
        new("jemalloc", "libjemalloc.so.2", "", "libjemalloc2"),
        new("tcmalloc", "libtcmalloc_minimal.so.4", "tc_", "libtcmalloc-minimal4"),
    ];

    /// <summary>Loads the library of the peer of that name into this process.</summary>
    /// <exception cref="RunFailedException">There is no such peer, or its library is not there.</exception>
    public static FunctionAllocator Load(string name)
    {
        Peer peer = Array.Find(All, peer => peer.Name == name)
            ?? throw new RunFailedException($"There is no contestant '{name}'.");
        return peer.TryLoad(out FunctionAllocator allocator, out string reason)
            ? allocator
            : throw new RunFailedException(reason);
    }

    /// <summary>Loads the library into this process.</summary>
    public bool TryLoad(out FunctionAllocator allocator, out string reason)
    {
        allocator = default;
        string file = Library ?? "libc.so.6";
        if (!NativeLibrary.TryLoad(file, out nint library))
        {
            reason = $"{file} cannot be loaded (Debian: {Package})";
            return false;
        }

        if (!NativeLibrary.TryGetExport(library, Prefix + "malloc", out nint allocate)
            || !NativeLibrary.TryGetExport(library, Prefix + "free", out nint free)
            || !NativeLibrary.TryGetExport(library, Prefix + "realloc", out nint reallocate))
        {
            reason = $"{file} lacks {Prefix}malloc, {Prefix}free or {Prefix}realloc";
            return false;
        }

        allocator = new FunctionAllocator(allocate, free, reallocate);
        reason = "";
        return true;
    }
}

/// <summary>
/// A native allocator in its fastest form for C#: called through function pointers, without the transition by which the
/// runtime lets the collector run meanwhile. (Calls of microseconds should not be made so in a real program: the
/// collector waits for them.)
/// </summary>
internal readonly unsafe struct FunctionAllocator(nint allocate, nint free, nint reallocate)
    : IAllocator<Address>, IContestant<FunctionAllocator>
{
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nuint, void*> _allocate =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nuint, void*>)allocate;

    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, void> _free =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, void>)free;

    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, nuint, void*> _reallocate =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<void*, nuint, void*>)reallocate;

    public FunctionAllocator Open() => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_allocate(bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => _free(block.Start);

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(_reallocate(block.Start, bytes));
}

/// <summary>Which of the native allocators are there, in C# and in C, and why the others are not.</summary>
internal sealed class Attendance
{
    // The dynamic linker keeps little room for the thread-local memory of libraries that are loaded late; jemalloc
    // wants more.
    private const string LinkerSetting = "GLIBC_TUNABLES";
    private const string MoreRoom = "glibc.rtld.optional_static_tls=16384";
    private readonly Dictionary<string, string> _leftOut = [];

    private Attendance()
    {
    }

    /// <summary>A line for each contestant that is left out.</summary>
    public IEnumerable<string> LeftOut => _leftOut.Select(entry => $"{entry.Key}: {entry.Value}");

    /// <summary>
    /// Tries them all: those in C# in a child process, where they will be loaded, those in C by the driver.
    /// </summary>
    /// <param name="driver">Null when there is none.</param>
    public static Attendance Find(NativeDriver? driver, string noDriver)
    {
        string settings = Environment.GetEnvironmentVariable(LinkerSetting) is { Length: > 0 } given
            ? $"{given}:{MoreRoom}"
            : MoreRoom;
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

    /// <summary>
    /// What the child process prints: a line for each native allocator, empty when it can be loaded, else why not.
    /// </summary>
    public static IEnumerable<string> Lines() =>
        Peer.All.Select(peer => peer.TryLoad(out _, out string reason) ? "" : reason);

    public bool Has(string contestant) => !_leftOut.ContainsKey(contestant);

    private void Note(string contestant, string reason)
    {
        if (reason.Length > 0)
            _leftOut.Add(contestant, reason);
    }
}
