using System.Runtime.InteropServices;
using Samples.Common;

namespace Samples.Benchmarks.Contestants;

/// <summary>A native allocator to compare with: its library, and what its functions are called in it.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Library">The file that is loaded; null for the C library, which every program has.</param>
/// <param name="Prefix">What its functions' names begin with, so that those of the C library are not taken for them.</param>
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
        Peer peer = Array.Find(All, peer => peer.Name == name) ?? throw new RunFailedException($"There is no contestant '{name}'.");
        return peer.TryLoad(out FunctionAllocator allocator, out string reason) ? allocator : throw new RunFailedException(reason);
    }

    /// <summary>Loads the library into this process.</summary>
    /// <param name="allocator">Its functions.</param>
    /// <param name="reason">Why not, otherwise.</param>
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
