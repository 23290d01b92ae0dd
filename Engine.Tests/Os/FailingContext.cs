using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Tests.Os;

/// <summary>
/// The operating system's functions, of which some fail, lie, or are absent, as a test asks. Functions that can fail:
/// mmap, munmap, mprotect, madvise, mremap, mlock, munlock, and syscall, whose argument is the number of the call. Only
/// one may live at a time: what it counts is static, because native code calls static functions.
/// <code>
/// using var context = new FailingContext();
/// context.Fail("mprotect", call: 3, errno: 12);      // the third call from now on fails, once
/// context.FailAlways("madvise", errno: 22, argument: 23);  // every call with this advice (3rd argument) fails
/// context.FailHalfDone("mprotect", call: 3, errno: 12); // does the first half, or unmaps what it would map over, and then fails
/// context.FailRun("mmap", call: 3, count: 2, errno: 12); // the third and the fourth call from now on fail
/// FailingContext.StealsHoles = true;                 // what a call that gets half-way has unmapped is another's at once
/// context.Lie("madvise", argument: 23);              // returns 0, and does nothing
/// context.LimitMaps(bytes);                          // no mapping may be larger
/// context.ShiftMaps(bytes);                          // where the system may choose, addresses are not aligned to more than this
/// context.PretendPages(bytes);                       // the system's pages have this size, and nothing less is taken
/// context.Hide("mremap");                            // not found in any library (before the VirtualMemory is created)
/// var os = VirtualMemory.Create(context);
/// </code>
/// </summary>
internal sealed unsafe class FailingContext : INativeContext
{
    private const int OutOfMemory = 12;
    private const int Invalid = 22;
    private static readonly Rule[] Rules = new Rule[8];
    private static int s_living;
    private static nuint s_pageBytes = 1;
    private static long s_brokenPages;

    private readonly Rule[] _rules = Rules;
    private readonly SystemLibraries _system = new();
    private readonly HashSet<string> _hidden = [];
    private readonly Dictionary<string, nint> _replaced = [];

    public FailingContext()
    {
        Assume.That(!OperatingSystem.IsWindows(), "the functions that are made to fail are a POSIX system's");
        if (Interlocked.Exchange(ref s_living, 1) != 0)
            throw new InvalidOperationException("Another FailingContext is alive; dispose of it first.");

        StealsHoles = false;
        s_pageBytes = 1;
        s_brokenPages = 0;
        for (int i = 0; i < Rules.Length; i++)
        {
            Rules[i] = new Rule();
            if (_system.TryGetProcAddress(NameOf(i), out nint address))
                Rules[i].Forward = address;
        }
    }

    /// <summary>Calls of the function so far, failed ones included.</summary>
    public long CallsOf(string function) => Interlocked.Read(ref RuleOf(function).Calls);

    /// <summary>Calls of all functions that can fail.</summary>
    public long TotalCalls => _rules.Sum(rule => Interlocked.Read(ref rule.Calls));

    /// <summary>The Nth call from now on (1 is the next) fails with the errno; those before and after work.</summary>
    public void Fail(string function, int call, int errno) => FailOnce(function, call, errno, Mode.FailOnce);

    /// <summary>
    /// The Nth call from now on fails half-way, as a kernel may: of a range the first half is done; what a mapping or a
    /// move would have replaced is unmapped (mmap, mprotect, madvise, mremap, mlock only). The
    /// next <paramref name="thenFail"/> calls fail too.
    /// </summary>
    public void FailHalfDone(string function, int call, int errno, int thenFail = 0) =>
        FailOnce(function, call, errno, Mode.FailHalfDone, 1 + thenFail);

    /// <summary>So many calls, from the Nth from now on, fail.</summary>
    public void FailRun(string function, int call, int count, int errno) =>
        FailOnce(function, call, errno, Mode.FailOnce, count);

    /// <summary>Whether the first page of what a half-done mmap or mremap has unmapped is mapped at once by somebody
    /// else, who writes <see cref="Stolen"/> to it.</summary>
    public static bool StealsHoles { get; set; }

    /// <summary>Where the last stolen page is.</summary>
    public static nint StolenPage { get; private set; }

    /// <summary>What stands in the first byte of a stolen page.</summary>
    public const byte Stolen = 77;

    /// <summary>Mappings of more bytes are refused for want of address space.</summary>
    public void LimitMaps(nuint bytes) => _rules[0].MostBytes = bytes;

    /// <summary>Mappings that the system may place begin this many bytes behind a multiple of 2 MiB.</summary>
    /// <param name="bytes">A multiple of the page size.</param>
    public void ShiftMaps(nuint bytes) => _rules[0].ShiftBytes = bytes;

    /// <summary>
    /// The system's pages have this size (before the VirtualMemory is created): it says so, places mappings by it, and
    /// refuses calls over parts of pages, as a kernel does or worse.
    /// </summary>
    /// <param name="bytes">A power of two, at least the real size.</param>
    public void PretendPages(nuint bytes)
    {
        s_pageBytes = bytes;
        ShiftMaps(bytes);
        Replace("getpagesize", (nint)(delegate* unmanaged<int>)&PretendedPageBytes);
    }

    /// <summary>Calls over parts of pretended pages so far.</summary>
    public static long CallsOverPartsOfPages => Interlocked.Read(ref s_brokenPages);

    /// <summary>Every call fails, or every one whose distinguishing argument (flags, protection, advice) is as
    /// given.</summary>
    public void FailAlways(string function, int errno, int? argument = null) =>
        Set(function, Mode.FailAlways, errno, argument);

    /// <summary>Says it succeeded and does nothing (madvise, mprotect, mlock, munlock only).</summary>
    public void Lie(string function, int? argument = null) => Set(function, Mode.Lie, 0, argument);

    /// <summary>The function works again.</summary>
    public void Heal(string function) => RuleOf(function).Mode = Mode.Work;

    /// <summary>The function is in no library. Applies to whatever asks for it from now on.</summary>
    public void Hide(string function) => _hidden.Add(function);

    /// <summary>Another implementation of any function: the address of a static method with
    /// UnmanagedCallersOnly.</summary>
    public void Replace(string function, nint implementation) => _replaced[function] = implementation;

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        addr = 0;
        if (_hidden.Contains(proc) || !_system.TryGetProcAddress(proc, out addr))
            return false;

        addr = _replaced.TryGetValue(proc, out nint replaced) ? replaced : proc switch
        {
            "mmap" => (nint)(delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)&Mmap,
            "munmap" => (nint)(delegate* unmanaged<nint, nuint, int>)&Munmap,
            "mprotect" => (nint)(delegate* unmanaged<nint, nuint, int, int>)&Mprotect,
            "madvise" => (nint)(delegate* unmanaged<nint, nuint, int, int>)&Madvise,
            "mremap" => (nint)(delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)&Mremap,
            "mlock" => (nint)(delegate* unmanaged<nint, nuint, int>)&Mlock,
            "munlock" => (nint)(delegate* unmanaged<nint, nuint, int>)&Munlock,
            "syscall" => (nint)(delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)&Syscall,
            _ => addr,
        };
        return true;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address, slot) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose() => Interlocked.Exchange(ref s_living, 0);

    private void FailOnce(string function, int call, int errno, Mode mode, int count = 1)
    {
        Rule rule = RuleOf(function);
        rule.Errno = errno;
        rule.Run = count;
        rule.Mode = mode;
        Interlocked.Exchange(ref rule.Countdown, call);
    }

    private void Set(string function, Mode mode, int errno, int? argument)
    {
        Rule rule = RuleOf(function);
        rule.Errno = errno;
        rule.Argument = argument;
        rule.Mode = mode;
    }

    private Rule RuleOf(string function)
    {
        for (int i = 0; i < _rules.Length; i++)
        {
            if (NameOf(i) == function)
                return _rules[i];
        }

        throw new ArgumentException($"{function} cannot be made to fail.", nameof(function));
    }

    private static string NameOf(int index) => index switch
    {
        0 => "mmap",
        1 => "munmap",
        2 => "mprotect",
        3 => "madvise",
        4 => "mremap",
        5 => "mlock",
        6 => "munlock",
        _ => "syscall",
    };

    [UnmanagedCallersOnly]
    private static int PretendedPageBytes() => (int)s_pageBytes;

    /// <summary>Notes and refuses a range that is not made of whole pretended pages.</summary>
    private static bool BreaksPages(nint address, nuint bytes)
    {
        if ((((nuint)address | bytes) & (s_pageBytes - 1)) == 0)
            return false;

        Interlocked.Increment(ref s_brokenPages);
        Marshal.SetLastSystemError(Invalid);
        return true;
    }

    [UnmanagedCallersOnly]
    private static nint Mmap(nint address, nuint bytes, int protection, int flags, int file, nint offset)
    {
        const int Fixed = 0x10;
        const int HugeTlb = 0x40000;
        Verdict verdict = Rules[0].Decide(flags);
        if (file < 0 && BreaksPages(address, bytes))
            return -1;

        if (verdict == Verdict.FailHalfDone && (flags & Fixed) != 0)
            MakeHole(address, bytes);

        if (verdict != Verdict.Work || bytes > Rules[0].MostBytes)
            return FailWith(Rules[0], -1);

        var mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Rules[0].Forward;
        return address == 0 && Rules[0].ShiftBytes != 0 && file < 0 && (flags & HugeTlb) == 0
            ? MapShifted(mmap, bytes, protection, flags)
            : mmap(address, bytes, protection, flags, file, offset);
    }

    /// <summary>Maps more than is asked for, and gives back all but the part at the wanted place.</summary>
    private static nint MapShifted(
        delegate* unmanaged<nint, nuint, int, int, int, nint, nint> mmap, nuint bytes, int protection, int flags)
    {
        nuint around = bytes + (4 << 20);
        nint mapped = mmap(0, around, protection, flags, -1, 0);
        if (mapped == -1)
            return -1;

        var munmap = (delegate* unmanaged<nint, nuint, int>)Rules[1].Forward;
        nuint place = (((nuint)mapped + (2 << 20)) & ~((nuint)(2 << 20) - 1)) + Rules[0].ShiftBytes;
        munmap(mapped, place - (nuint)mapped);
        munmap((nint)(place + bytes), (nuint)mapped + around - place - bytes);
        return (nint)place;
    }

    [UnmanagedCallersOnly]
    private static int Munmap(nint address, nuint bytes) => Plain(Rules[1], address, bytes);

    [UnmanagedCallersOnly]
    private static int Mprotect(nint address, nuint bytes, int protection) =>
        WithArgument(Rules[2], address, bytes, protection);

    [UnmanagedCallersOnly]
    private static int Madvise(nint address, nuint bytes, int advice) => WithArgument(Rules[3], address, bytes, advice);

    [UnmanagedCallersOnly]
    private static nint Mremap(nint from, nuint oldBytes, nuint newBytes, int flags, nint to)
    {
        Verdict verdict = Rules[4].Decide(flags);
        if (BreaksPages(from, oldBytes) || BreaksPages(to, newBytes))
            return -1;

        if (verdict == Verdict.FailHalfDone)
            MakeHole(to, newBytes);

        return verdict != Verdict.Work
            ? FailWith(Rules[4], -1)
            : ((delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)Rules[4].Forward)(from, oldBytes, newBytes,
                flags, to);
    }

    [UnmanagedCallersOnly]
    private static int Mlock(nint address, nuint bytes) => Plain(Rules[5], address, bytes);

    [UnmanagedCallersOnly]
    private static int Munlock(nint address, nuint bytes) => Plain(Rules[6], address, bytes);

    [UnmanagedCallersOnly]
    private static nint Syscall(
        nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth) =>
        Rules[7].Decide((int)number) != Verdict.Work
            ? FailWith(Rules[7], -1)
            : ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)Rules[7].Forward)(
                number, first, second, third, fourth, fifth, sixth);

    private static int Plain(Rule rule, nint address, nuint bytes)
    {
        var function = (delegate* unmanaged<nint, nuint, int>)rule.Forward;
        if (BreaksPages(address, bytes))
            return -1;

        switch (rule.Decide(0))
        {
            case Verdict.Fail:
                return (int)FailWith(rule, -1);
            case Verdict.FailHalfDone:
                function(address, HalfOf(bytes));
                return (int)FailWith(rule, -1);
            case Verdict.Lie:
                return 0;
            default:
                return function(address, bytes);
        }
    }

    private static int WithArgument(Rule rule, nint address, nuint bytes, int argument)
    {
        var function = (delegate* unmanaged<nint, nuint, int, int>)rule.Forward;
        if (BreaksPages(address, bytes))
            return -1;

        switch (rule.Decide(argument))
        {
            case Verdict.Fail:
                return (int)FailWith(rule, -1);
            case Verdict.FailHalfDone:
                function(address, HalfOf(bytes), argument);
                return (int)FailWith(rule, -1);
            case Verdict.Lie:
                return 0;
            default:
                return function(address, bytes, argument);
        }
    }

    /// <summary>Whole pages, at least one where there is more than one; all of a single page.</summary>
    private static nuint HalfOf(nuint bytes)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        return nuint.Max(bytes / 2 / page * page, page);
    }

    private static void MakeHole(nint address, nuint bytes)
    {
        const int PrivateFixedAnonymous = 0x32; // Linux
        ((delegate* unmanaged<nint, nuint, int>)Rules[1].Forward)(address, bytes);
        if (StealsHoles)
        {
            var mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Rules[0].Forward;
            StolenPage = mmap(address, (nuint)Environment.SystemPageSize, 3, PrivateFixedAnonymous, -1, 0);
            *(byte*)StolenPage = Stolen;
        }
    }

    private static nint FailWith(Rule rule, nint result)
    {
        Marshal.SetLastSystemError(rule.Errno == 0 ? OutOfMemory : rule.Errno);
        return result;
    }

    private enum Mode
    {
        Work,
        FailOnce,
        FailHalfDone,
        FailAlways,
        Lie,
    }

    private enum Verdict
    {
        Work,
        Fail,
        FailHalfDone,
        Lie,
    }

    private sealed class Rule
    {
        public long Calls;
        public long Countdown;
        public int Run = 1;
        public nint Forward;
        public nuint MostBytes = nuint.MaxValue;
        public nuint ShiftBytes;
        public volatile Mode Mode;

        public int Errno { get; set; }

        public int? Argument { get; set; }

        [MethodImpl(MethodImplOptions.NoInlining)]
        public Verdict Decide(int argument)
        {
            Interlocked.Increment(ref Calls);
            long left = Mode is Mode.FailOnce or Mode.FailHalfDone ? Interlocked.Decrement(ref Countdown) : 0;
            bool applies = Mode switch
            {
                Mode.Work => false,
                Mode.FailOnce or Mode.FailHalfDone => left <= 0 && left > -Run,
                _ => Argument is null || Argument == argument,
            };
            if (!applies)
                return Verdict.Work;

            return Mode switch
            {
                Mode.Lie => Verdict.Lie,
                Mode.FailHalfDone when left == 0 => Verdict.FailHalfDone,
                _ => Verdict.Fail,
            };
        }
    }
}
