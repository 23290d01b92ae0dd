using System.Globalization;

namespace Engine.Tests.Support;

/// <summary>The process's mappings, from /proc/self/maps and smaps. Where there is no such file, nothing is
/// counted.</summary>
internal static class MemoryMap
{
    public static bool IsReadable => OperatingSystem.IsLinux() && File.Exists("/proc/self/smaps");

    /// <summary>Mappings that reach into a range.</summary>
    public static int CountWithin(nint start, nuint bytes) =>
        Ranges().Count(range => range.End > (ulong)start && range.Start < (ulong)start + bytes);

    /// <summary>Address space of the mappings that begin in a range.</summary>
    public static ulong MappedWithin(nint start, nuint bytes) =>
        Ranges().Where(range => range.Start - (ulong)start < bytes).Aggregate(0UL, (sum, range) =>
            sum + range.End - range.Start);

    /// <summary>How many addresses of a range belong to some mapping.</summary>
    public static ulong CoveredWithin(nint start, nuint bytes) => Ranges().Aggregate(
        0UL, (sum, range) =>
            sum + Math.Max(Math.Min(range.End, (ulong)start + bytes), (ulong)start) - Math.Min(
            Math.Max(range.Start, (ulong)start), (ulong)start + bytes));

    /// <summary>Whether an address may be read and written.</summary>
    public static bool IsAccessible(nint address)
    {
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            if ((ulong)address >= Convert.ToUInt64(line[..dash], 16)
                && (ulong)address < Convert.ToUInt64(line[(dash + 1)..space], 16))
            {
                return line.AsSpan(space + 1).StartsWith("rw", StringComparison.Ordinal);
            }
        }

        return false;
    }

    /// <summary>Whether the kernel can read a byte there; guards by advice are in no map.</summary>
    public static unsafe bool AnswersReads(nint address)
    {
        string path = Path.GetTempFileName();
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path, access: FileAccess.Write);
            RandomAccess.Write(file, new ReadOnlySpan<byte>((void*)address, 1), 0);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>All address space of the process in bytes.</summary>
    public static ulong TotalBytes() => Ranges().Aggregate(0UL, (sum, range) => sum + range.End - range.Start);

    /// <summary>Resident bytes of the mappings that begin in a range: of the engine's memory alone, without the managed
    /// heap's noise.</summary>
    public static ulong ResidentWithin(nint start, nuint bytes)
    {
        ulong resident = 0;
        bool isWithin = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            if (dash > 0
                && ulong.TryParse(
                line.AsSpan(0, dash), System.Globalization.NumberStyles.HexNumber, null, out ulong address))
            {
                isWithin = address - (ulong)start < bytes;
            }
            else if (isWithin && line.StartsWith("Rss:", StringComparison.Ordinal))
            {
                resident += ulong.Parse(
                    line.AsSpan(4, line.Length - 6),
                    NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                    null) * 1024;
            }
        }

        return resident;
    }

    /// <summary>
    /// What may be left of a memory that is disposed: all addresses are given back but those of the metadata heap that
    /// handles and lanes may still read, and these have no memory behind them.
    /// </summary>
    public static void AssertIsGone(EngineMemory memory)
    {
        if (!IsReadable)
            return;
        nint kept = memory.Reservation.Heap.Address;
        nuint keptBytes = memory.Reservation.Heap.ResidentBytes;
        nint tail = kept + (nint)keptBytes;
        nuint tailBytes = memory.ReservationBytes - (nuint)(tail - memory.ReservationBase);
        nuint blockBytes = (nuint)(kept - memory.ReservationBase);
        Assert.That(CountWithin(memory.ReservationBase, blockBytes), Is.Zero, "the blocks and tables are given back");
        Assert.That(CountWithin(tail, tailBytes), Is.Zero, "what was never used is given back");
        Assert.That(IsAccessible(kept) && IsAccessible(tail - 1), Is.True, "handles and lanes can read");
        Assert.That(ResidentWithin(kept, keptBytes), Is.Zero, "what they read has no memory behind it");
    }

    private static IEnumerable<(ulong Start, ulong End)> Ranges()
    {
        if (!IsReadable)
            yield break;

        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            int dash = line.IndexOf('-', StringComparison.Ordinal);
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            yield return (Convert.ToUInt64(line[..dash], 16), Convert.ToUInt64(line[(dash + 1)..space], 16));
        }
    }
}
