using System.Globalization;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// The memory nodes (NUMA) that the process may use on Linux; mbind, which tells the kernel where pages are to lie; and
/// on which node's processors threads run.
/// </summary>
internal sealed unsafe class LinuxNodes
{
    private const int Preferred = 1; // MPOL_PREFERRED: another node's pages are better than none
    private const int Interleave = 3; // MPOL_INTERLEAVE
    private const int MaximumNodes = 1024;
    private const int MaximumProcessors = 8192;
    private const int WordBits = 64;

    private readonly LinuxFiles _files;
    private readonly LinuxSystemCall _mbind;
    private readonly Func<bool, int> _counted;
    private readonly delegate* unmanaged<int> _getProcessor;
    private readonly delegate* unmanaged<int, nuint, ulong*, int> _getProcessors;
    private readonly delegate* unmanaged<int, nuint, ulong*, int> _setProcessors;
    private readonly string? _names;
    private readonly int[] _numbers;
    private ushort[] _nodeOfProcessor = [];
    private NodePolicy _policy = NodePolicy.FirstTouch;
    private volatile int _refused;

    /// <param name="files">The system's files.</param>
    /// <param name="context">Its functions.</param>
    /// <param name="counted">Counts a call of the system, and gives its error.</param>
    public LinuxNodes(LinuxFiles files, INativeContext context, Func<bool, int> counted)
    {
        _files = files;
        _counted = counted;
        _mbind = new LinuxSystemCall(context, LinuxCall.MemoryBind);
        _getProcessor = (delegate* unmanaged<int>)context.Find("sched_getcpu");
        _getProcessors = (delegate* unmanaged<int, nuint, ulong*, int>)context.Find("sched_getaffinity");
        _setProcessors = (delegate* unmanaged<int, nuint, ulong*, int>)context.Find("sched_setaffinity");
        _names = AllowedNodes(files);
        _numbers = _names is null ? [0] : Numbers(_names, MaximumNodes);
    }

    /// <summary>How many nodes take turns along the addresses; 1 where pages do not lie by address.</summary>
    public int CountByAddress => _policy == NodePolicy.Local && _refused == Errno.None ? _numbers.Length : 1;

    /// <summary>The node that the calling thread runs on, counted from 0 in the order of the kernel's list; 0 where
    /// pages do not lie by address. Any thread; the C library reads the processor's number without a call.</summary>
    public int Current
    {
        get
        {
            int processor = CountByAddress == 1 || _getProcessor == null ? -1 : _getProcessor();
            return (uint)processor < (uint)_nodeOfProcessor.Length ? _nodeOfProcessor[processor] : 0;
        }
    }

    /// <summary>Where pages lie, in words.</summary>
    public string Describe() =>
        _refused != Errno.None ? $"first touch, {Errno.Describe("mbind", _refused)}"
        : _policy == NodePolicy.Interleave ? $"interleaved over {_names ?? "no"}"
        : CountByAddress > 1 ? $"{_names}, {SizeText.Write(VirtualMemory.NodeStripeBytes)} each by turns"
        : $"first touch, {_numbers.Length} of them";

    /// <summary>Sets where the pages of later mappings lie.</summary>
    public void Use(NodePolicy policy)
    {
        _policy = policy switch
        {
            NodePolicy.Automatic => _numbers.Length > 1 ? NodePolicy.Interleave : NodePolicy.FirstTouch,
            NodePolicy.Local => _numbers.Length > 1 ? NodePolicy.Local : NodePolicy.FirstTouch,
            _ => policy,
        };
        ushort[] nodes = new ushort[MaximumProcessors];
        for (int node = 0; CountByAddress > 1 && node < _numbers.Length; node++)
        {
            foreach (int processor in ProcessorsOf(node))
                nodes[processor] = (ushort)node;
        }

        _nodeOfProcessor = nodes;
    }

    /// <summary>Tells the kernel where the pages that a range gets from now on are to lie. Where it refuses, they come
    /// from the node of the thread that writes first.</summary>
    public void Bind(nint address, nuint bytes)
    {
        if (_policy == NodePolicy.Interleave)
        {
            Bind(address, bytes, Interleave, _numbers);
            return;
        }

        nuint step;
        for (nuint done = 0; CountByAddress > 1 && done < bytes; done += step)
        {
            nuint start = (nuint)address + done;
            nuint stripe = start / VirtualMemory.NodeStripeBytes;
            step = nuint.Min(((stripe + 1) * VirtualMemory.NodeStripeBytes) - start, bytes - done);
            Bind((nint)start, step, Preferred, [_numbers[stripe % (nuint)_numbers.Length]]);
        }
    }

    /// <summary>
    /// Runs work on those processors of a node that the thread may use, and then lets the thread run where it did
    /// before; where the node has none, or the kernel refuses, where the thread is.
    /// </summary>
    public void Run(int node, Action work)
    {
        const int Words = MaximumProcessors / WordBits;
        const nuint MaskBytes = MaximumProcessors / 8;
        ulong* before = stackalloc ulong[Words];
        ulong* there = stackalloc ulong[Words];
        new Span<ulong>(before, Words).Clear();
        new Span<ulong>(there, Words).Clear();
        bool isKnown = CountByAddress > 1 && _getProcessors != null && _setProcessors != null
            && _getProcessors(0, MaskBytes, before) >= 0;
        bool isOwn = false;
        foreach (int processor in isKnown ? ProcessorsOf(node) : [])
        {
            there[processor / WordBits] |= before[processor / WordBits] & (1UL << (processor % WordBits));
            isOwn |= there[processor / WordBits] != 0;
        }

        bool hasMoved = isOwn && _setProcessors(0, MaskBytes, there) == 0;
        try
        {
            work();
        }
        finally
        {
            if (hasMoved)
                _ = _setProcessors(0, MaskBytes, before);
        }
    }

    /// <summary>The numbers below a limit in a list like "0-1,4"; none where the text is no list.</summary>
    public static int[] Numbers(string list, int limit)
    {
        List<int> numbers = [];
        foreach (string part in list.Split(','))
        {
            string[] ends = part.Split('-');
            if (!TryParse(ends[0], out int first) || !TryParse(ends[^1], out int last))
                return [];

            for (int number = first; number <= last && number < limit; number++)
                numbers.Add(number);
        }

        return [.. numbers];
    }

    private int[] ProcessorsOf(int node)
    {
        string? list = _files.ReadText($"/sys/devices/system/node/node{_numbers[node]}/cpulist");
        return list is null ? [] : Numbers(list.Trim(), MaximumProcessors);
    }

    private void Bind(nint address, nuint bytes, int mode, ReadOnlySpan<int> nodes)
    {
        if (_refused != Errno.None)
            return;

        ulong* mask = stackalloc ulong[MaximumNodes / WordBits];
        new Span<ulong>(mask, MaximumNodes / WordBits).Clear();
        foreach (int node in nodes)
            mask[node / WordBits] |= 1UL << (node % WordBits);

        _refused = _mbind.IsAvailable
            ? _counted(_mbind.Invoke(address, (nint)bytes, mode, (nint)mask, MaximumNodes) == 0)
            : Errno.Invalid;
    }

    private static bool TryParse(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static string? AllowedNodes(LinuxFiles files)
    {
        const string Label = "Mems_allowed_list:";
        string? status = files.ReadText("/proc/self/status");
        int at = status?.IndexOf(Label, StringComparison.Ordinal) ?? -1;
        return at < 0 ? null : status![(at + Label.Length)..].Split('\n')[0].Trim();
    }
}
