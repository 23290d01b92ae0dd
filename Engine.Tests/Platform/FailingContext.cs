using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Platform;
using Silk.NET.Core.Contexts;

namespace Engine.Tests.Platform;

/// <summary>
/// The operating system's functions, of which some fail, lie, or are absent, as a test asks. Functions that can fail: mmap,
/// munmap, mprotect, madvise, mremap, mlock, munlock. Only one may live at a time: what it counts is static, because native
/// code calls static functions.
/// <code>
/// using var context = new FailingContext();
/// context.Fail("mprotect", call: 3, errno: 12);      // the third call from now on fails, once
/// context.FailAlways("madvise", errno: 22, argument: 23);  // every call with this advice (3rd argument) fails
/// context.Lie("madvise", argument: 23);              // returns 0, and does nothing
/// context.Hide("mremap");                            // not found in any library (before the VirtualMemory is created)
/// var os = VirtualMemory.Create(context);
/// </code>
/// </summary>
internal sealed unsafe class FailingContext : INativeContext
{
    private static readonly Rule[] Rules = new Rule[7];
    private static int s_living;

    private readonly Rule[] _rules = Rules;
    private readonly SystemLibraries _system = new();
    private readonly HashSet<string> _hidden = [];
    private readonly Dictionary<string, nint> _replaced = [];

    public FailingContext()
    {
        Assume.That(!OperatingSystem.IsWindows(), "the functions that are made to fail are a POSIX system's");
        if (Interlocked.Exchange(ref s_living, 1) != 0)
        {
            throw new InvalidOperationException("Another FailingContext is alive; dispose of it first.");
        }

        for (int i = 0; i < Rules.Length; i++)
        {
            Rules[i] = new Rule();
            if (_system.TryGetProcAddress(NameOf(i), out nint address))
            {
                Rules[i].Forward = address;
            }
        }
    }

    /// <summary>Calls of the function so far, failed ones included.</summary>
    public long CallsOf(string function) => Interlocked.Read(ref RuleOf(function).Calls);

    /// <summary>Calls of all functions that can fail.</summary>
    public long TotalCalls => _rules.Sum(rule => Interlocked.Read(ref rule.Calls));

    /// <summary>The Nth call from now on (1 is the next) fails with the errno; those before and after work.</summary>
    public void Fail(string function, int call, int errno)
    {
        Rule rule = RuleOf(function);
        rule.Errno = errno;
        rule.Mode = Mode.FailOnce;
        Interlocked.Exchange(ref rule.Countdown, call);
    }

    /// <summary>Every call fails, or every one whose distinguishing argument (flags, protection, advice) is as given.</summary>
    public void FailAlways(string function, int errno, int? argument = null) => Set(function, Mode.FailAlways, errno, argument);

    /// <summary>Says it succeeded and does nothing (madvise, mprotect, mlock, munlock only).</summary>
    public void Lie(string function, int? argument = null) => Set(function, Mode.Lie, 0, argument);

    /// <summary>The function works again.</summary>
    public void Heal(string function) => RuleOf(function).Mode = Mode.Work;

    /// <summary>The function is in no library. Applies to whatever asks for it from now on.</summary>
    public void Hide(string function) => _hidden.Add(function);

    /// <summary>Another implementation of any function: the address of a static method with UnmanagedCallersOnly.</summary>
    public void Replace(string function, nint implementation) => _replaced[function] = implementation;

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        addr = 0;
        if (_hidden.Contains(proc) || !_system.TryGetProcAddress(proc, out addr))
        {
            return false;
        }

        addr = _replaced.TryGetValue(proc, out nint replaced) ? replaced : proc switch
        {
            "mmap" => (nint)(delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)&Mmap,
            "munmap" => (nint)(delegate* unmanaged<nint, nuint, int>)&Munmap,
            "mprotect" => (nint)(delegate* unmanaged<nint, nuint, int, int>)&Mprotect,
            "madvise" => (nint)(delegate* unmanaged<nint, nuint, int, int>)&Madvise,
            "mremap" => (nint)(delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)&Mremap,
            "mlock" => (nint)(delegate* unmanaged<nint, nuint, int>)&Mlock,
            "munlock" => (nint)(delegate* unmanaged<nint, nuint, int>)&Munlock,
            _ => addr,
        };
        return true;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address, slot) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose() => Interlocked.Exchange(ref s_living, 0);

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
            {
                return _rules[i];
            }
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
        _ => "munlock",
    };

    [UnmanagedCallersOnly]
    private static nint Mmap(nint address, nuint bytes, int protection, int flags, int file, nint offset) =>
        Rules[0].Decide(flags) != Verdict.Work
            ? -1
            : ((delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Rules[0].Forward)(address, bytes, protection, flags, file, offset);

    [UnmanagedCallersOnly]
    private static int Munmap(nint address, nuint bytes) => Plain(Rules[1], address, bytes);

    [UnmanagedCallersOnly]
    private static int Mprotect(nint address, nuint bytes, int protection) => WithArgument(Rules[2], address, bytes, protection);

    [UnmanagedCallersOnly]
    private static int Madvise(nint address, nuint bytes, int advice) => WithArgument(Rules[3], address, bytes, advice);

    [UnmanagedCallersOnly]
    private static nint Mremap(nint from, nuint oldBytes, nuint newBytes, int flags, nint to) =>
        Rules[4].Decide(flags) != Verdict.Work
            ? -1
            : ((delegate* unmanaged<nint, nuint, nuint, int, nint, nint>)Rules[4].Forward)(from, oldBytes, newBytes, flags, to);

    [UnmanagedCallersOnly]
    private static int Mlock(nint address, nuint bytes) => Plain(Rules[5], address, bytes);

    [UnmanagedCallersOnly]
    private static int Munlock(nint address, nuint bytes) => Plain(Rules[6], address, bytes);

    private static int Plain(Rule rule, nint address, nuint bytes) => rule.Decide(0) switch
    {
        Verdict.Fail => -1,
        Verdict.Lie => 0,
        _ => ((delegate* unmanaged<nint, nuint, int>)rule.Forward)(address, bytes),
    };

    private static int WithArgument(Rule rule, nint address, nuint bytes, int argument) => rule.Decide(argument) switch
    {
        Verdict.Fail => -1,
        Verdict.Lie => 0,
        _ => ((delegate* unmanaged<nint, nuint, int, int>)rule.Forward)(address, bytes, argument),
    };

    private enum Mode
    {
        Work,
        FailOnce,
        FailAlways,
        Lie,
    }

    private enum Verdict
    {
        Work,
        Fail,
        Lie,
    }

    private sealed class Rule
    {
        public long Calls;
        public long Countdown;
        public nint Forward;
        public volatile Mode Mode;

        public int Errno { get; set; }

        public int? Argument { get; set; }

        [MethodImpl(MethodImplOptions.NoInlining)]
        public Verdict Decide(int argument)
        {
            Interlocked.Increment(ref Calls);
            bool applies = Mode switch
            {
                Mode.Work => false,
                Mode.FailOnce => Interlocked.Decrement(ref Countdown) == 0,
                _ => Argument is null || Argument == argument,
            };
            if (!applies)
            {
                return Verdict.Work;
            }

            if (Mode == Mode.Lie)
            {
                return Verdict.Lie;
            }

            Marshal.SetLastSystemError(Errno);
            return Verdict.Fail;
        }
    }
}
