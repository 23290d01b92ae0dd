using Engine.Tests.Support;
using Silk.NET.Core.Contexts;
using SuperSlab.Diagnostics;

namespace Engine.Tests.Os;

/// <summary>
/// The C library of Alpine. The engine finds functions by name and does without those that are missing; it must not
/// do without any that musl has under another name. <c>.ci/musl-tests</c> runs the allocator's tests on the real musl.
/// </summary>
[Platform("Linux")]
internal sealed unsafe class MuslTests
{
    /// <summary>What the engine may ask for: each is in musl 1.2.3 (nm -D libc.so).</summary>
    private static readonly string[] s_functions =
    [
        "close", "dladdr", "getpagesize", "getrlimit", "getrusage", "gettid", "ioctl", "madvise", "mincore", "mlock",
        "mlockall", "mmap", "mprotect", "mremap", "munlock", "munlockall", "munmap", "open", "pread",
        "pthread_attr_destroy", "pthread_attr_getstack", "pthread_getattr_np", "pthread_self", "read",
        "sched_getaffinity", "sched_getcpu", "sched_setaffinity", "setpriority", "sigaltstack", "syscall",
    ];

    [Test]
    public void Musl_has_every_function_that_the_engine_asks_for()
    {
        using OnlyContext context = new(s_functions);
        using EngineMemory memory = new(new EngineMemoryOptions
        {
            ReservationBytes = Size.GiB(1),
            Checks = MemoryChecks.Full,
            NativeContext = context,
        });
        using LongLivedArena arena = memory.CreateLongLivedArena("level");
        using FaultAttribution faults = new(memory);
        using (faults.ObserveThisThread("main"))
        {
            arena.Prewarm([new BlockCount(64, 1000)], threads: 1);
            byte* block = (byte*)arena.Allocate(100_000);
            new Span<byte>(block, 100_000).Fill(1);
            arena.Free(block);
        }

        using Scene scene = Scene.Load(memory, new ScenePlan { Name = "level", Arenas = [new ArenaPlan()] });
        using HotLoopGuard guard = new(memory);
        Thread giving = new(() => LinuxThread.LowerPriority(context));
        giving.Start();
        giving.Join();
        _ = faults.Collect();
        memory.Validate();
        Assert.That(context.Missed, Is.Empty, "asked for and not in musl");
        Assert.That(s_functions.Except(context.Found), Is.Empty, "no longer asked for");
    }

    /// <summary>The functions of the C library that are named, and the names that were asked for.</summary>
    private sealed class OnlyContext(string[] names) : INativeContext
    {
        private readonly SystemLibraries _system = new();

        public HashSet<string> Found { get; } = [];

        public HashSet<string> Missed { get; } = [];

        public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
        {
            addr = 0;
            bool isThere = names.Contains(proc) && _system.TryGetProcAddress(proc, out addr);
            lock (Found)
                (isThere ? Found : Missed).Add(proc);

            return isThere;
        }

        public nint GetProcAddress(string proc, int? slot = default) =>
            TryGetProcAddress(proc, out nint address) ? address : throw new EntryPointNotFoundException(proc);

        public void Dispose()
        {
        }
    }
}
