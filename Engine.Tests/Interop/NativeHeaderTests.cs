using System.Diagnostics;
using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;
using SuperSlab.Interop;

namespace Engine.Tests.Interop;

/// <summary>
/// The inline fast path of engine_memory.h: Native/inline.c is compiled here, and works on arenas of this process. On a
/// machine without gcc the tests are skipped.
/// </summary>
[Category(Machine.NeedsRealKernel)]
[Platform("Linux")]
internal sealed unsafe class NativeHeaderTests : ArenaFixture
{
    private DirectoryInfo _folder = null!;
    private nint _library;

    [OneTimeSetUp]
    public void Compile()
    {
        _folder = Directory.CreateTempSubdirectory("engine-header-");
        string sources = Path.Combine(TestContext.CurrentContext.TestDirectory, "Interop", "Native");
        string library = Path.Combine(_folder.FullName, "inline.so");
        try
        {
            string[] arguments = ["-O2", "-Wall", "-Wextra", "-Werror", "-std=c11", "-shared", "-fPIC", "-I", sources];
            using Process gcc = Process.Start("gcc", [.. arguments, Path.Combine(sources, "inline.c"), "-o", library]);
            gcc.WaitForExit();
            Assert.That(gcc.ExitCode, Is.Zero, "gcc compiles the header without a warning");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("gcc is not installed");
        }

        _library = NativeLibrary.Load(library);
    }

    [OneTimeTearDown]
    public void Remove() => _folder.Delete(recursive: true);

    private delegate* unmanaged[Cdecl]<nint, nuint, void*> AllocateInC =>
        (delegate* unmanaged[Cdecl]<nint, nuint, void*>)Export("allocate");

    private delegate* unmanaged[Cdecl]<nint, nuint, nuint, void*> AlignedInC =>
        (delegate* unmanaged[Cdecl]<nint, nuint, nuint, void*>)Export("allocate_aligned");

    private delegate* unmanaged[Cdecl]<nint, void*, void> FreeInC =>
        (delegate* unmanaged[Cdecl]<nint, void*, void>)Export("free_block");

    private delegate* unmanaged[Cdecl]<nint, void*, nuint, void*> ReallocateInC =>
        (delegate* unmanaged[Cdecl]<nint, void*, nuint, void*>)Export("reallocate");

    private delegate* unmanaged[Cdecl]<nint, long, nuint, int, long> CallsOfPairs =>
        (delegate* unmanaged[Cdecl]<nint, long, nuint, int, long>)Export("calls_of_pairs");

    [Test]
    public void The_header_and_the_engine_have_one_layout()
    {
        var tell = (delegate* unmanaged[Cdecl]<nuint*, nuint>)Export("layout");
        nuint* values = stackalloc nuint[64];
        nuint count = tell(values);
        Assert.That(new Span<nuint>(values, (int)count).ToArray().Select(value => (long)value), Is.EqualTo(Expected()));
    }

    [Test]
    public void The_header_and_the_engine_have_one_class_for_each_size()
    {
        var classOf = (delegate* unmanaged[Cdecl]<nuint, nuint>)Export("class_of");
        for (nuint bytes = SizeClasses.MappedBytes + 1; bytes <= 256 * 1024; bytes++)
        {
            if ((int)classOf(bytes) != SizeClasses.IndexOf(bytes))
                Assert.Fail($"{bytes} bytes are of class {SizeClasses.IndexOf(bytes)}, not {classOf(bytes)}");
        }
    }

    [Test]
    public void The_header_and_the_engine_give_a_block_one_size()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        nint arena = allocator.Inline;
        var usable = (delegate* unmanaged[Cdecl]<nint, void*, nuint>)Export("usable");
        for (nuint bytes = 1; bytes <= Size.MiB(48); bytes += (bytes / 20) + 1)
        {
            void* block = AllocateInC(arena, bytes);
            Assert.That(usable(arena, block), Is.EqualTo(Arena.UsableBytes(block)), $"{bytes} bytes");
            FreeInC(arena, block);
        }

        Assert.That(usable(arena, null), Is.EqualTo((nuint)0));
    }

    [Test]
    public void Pairs_stay_inline([Values(16, 64, 1_000, 5_000)] int bytes, [Values(1, 40)] int live)
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        nint arena = allocator.Inline;
        Assert.That(CallsOfPairs(arena, 10_000, (nuint)bytes, live), Is.GreaterThan(0), "the first ones fetch blocks");
        Assert.That(CallsOfPairs(arena, 100_000, (nuint)bytes, live), Is.LessThan(1_000));
        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)0));
        Memory.Validate();
    }

    [Test]
    public void Blocks_keep_their_contents_and_cross_threads([Values] MemoryChecks checks)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        using LongLivedArena shared = memory.CreateLongLivedArena("native");
        using NativeAllocator allocator = shared.ToNativeAllocator();
        nint arena = allocator.Inline;
        int seed = TestRandom.Seed();
        nint[] passed = new nint[4 * 500];
        Workers.Run(4, worker =>
        {
            Random random = new(seed + worker);
            ShadowModel model = new();
            for (int step = 0; step < 4_000; step++)
            {
                nuint bytes = random.NextSize(random.Next(20) == 0 ? 21 : 12);
                if (model.Count < 40)
                {
                    model.Add(AllocateInC(arena, bytes), bytes);
                    continue;
                }

                void* old = model.Pick(random, out _);
                switch (random.Next(3))
                {
                    case 0:
                        model.Moved(old, ReallocateInC(arena, old, bytes), bytes);
                        break;
                    case 1:
                        model.Remove(old);
                        FreeInC(arena, old);
                        break;
                    default:
                        // The neighbour frees what it finds here.
                        model.Remove(old);
                        nint found = Interlocked.Exchange(ref passed[random.Next(passed.Length)], (nint)old);
                        FreeInC(arena, (void*)found);
                        break;
                }
            }

            model.CheckAll();
            model.Drain(block => FreeInC(arena, (void*)block));
        });
        foreach (nint block in passed)
            FreeInC(arena, (void*)block);

        Assert.That((allocator.RefusalCount, allocator.MisuseCount), Is.EqualTo((0L, 0L)), $"{allocator.FirstMisuse}");
        Assert.That(shared.LiveBytes(), Is.EqualTo((nuint)0));
        memory.Validate();
    }

    [Test]
    public void What_C_does_wrong_is_told_and_changes_nothing([Values] MemoryChecks checks)
    {
        List<string> told = [];
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        using LongLivedArena arena = memory.CreateLongLivedArena("native");
        using LongLivedArena other = memory.CreateLongLivedArena("other");
        using NativeAllocator allocator = arena.ToNativeAllocator(new NativeAllocatorOptions { OnMisuse = told.Add });
        nint inline = allocator.Inline;
        void* block = AllocateInC(inline, 100);
        FreeInC(inline, block);
        FreeInC(inline, block);
        FreeInC(inline, (void*)0x123450);
        FreeInC(inline, other.Allocate(64));
        FreeInC(inline, null);
        Assert.That(told, Has.Count.EqualTo(3));
        Assert.That(told[0], Does.Contain("freed twice").Or.Contain("already free").Or.Contain("no live block"));
        Assert.That(told[2], Does.Contain("'other'"));
        Assert.That((long)AlignedInC(inline, 100, 4096) % 4096, Is.Zero);
        Assert.That(AllocateInC(inline, nuint.MaxValue) == null);
        Assert.That(allocator.RefusalCount, Is.EqualTo(1));
    }

    [Test]
    public void A_budget_and_a_tag_take_the_functions()
    {
        NativeAllocatorOptions options = new() { BudgetBytes = 64 * 1024 };
        using NativeAllocator allocator = Arena.ToNativeAllocator(options);
        nint arena = allocator.Inline;
        List<nint> blocks = [];
        for (void* block; (block = AllocateInC(arena, 1_000)) != null;)
            blocks.Add((nint)block);

        Assert.That(blocks, Has.Count.InRange(60, 64));
        Assert.That(allocator.LiveBytes, Is.GreaterThan((nuint)60_000));
        blocks.ForEach(block => FreeInC(arena, (void*)block));
        Assert.That(allocator.LiveBytes, Is.EqualTo((nuint)0));
    }

    [Test]
    public void After_the_end_of_allocator_arena_or_memory_nothing_is_handed_out()
    {
        EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        LongLivedArena arena = memory.CreateLongLivedArena("native");
        NativeAllocator allocator = arena.ToNativeAllocator(new NativeAllocatorOptions { OnMisuse = _ => { } });
        nint inline = allocator.Inline;
        void* block = AllocateInC(inline, 64);
        arena.Dispose();
        FreeInC(inline, block);
        Assert.That(AllocateInC(inline, 64) == null);
        memory.Dispose();
        Assert.That(AllocateInC(inline, 64) == null);
        Assert.That(allocator.MisuseCount, Is.EqualTo(3), "each was told");
        allocator.Dispose();
        Assert.That(AllocateInC(inline, 64) == null);
        Assert.That(() => allocator.Inline, Throws.InstanceOf<ObjectDisposedException>());
    }

    private static List<long> Expected()
    {
        ThreadCache* cache = ThreadCache.Detached;
        NativeArena arena = default;
        LaneState state = default;
        NativeLane lane = default;
        long In(void* start, void* member) => (byte*)member - (byte*)start;
        return
        [
            NativeArena.CurrentLayout,
            ArenaClasses.Count,
            SizeClasses.Huge,
            ArenaClasses.SmallClasses,
            ThreadCache.Bytes,
            (long)Magazine.Bytes,
            (long)SizeClasses.MappedBytes,
            (long)SizeClasses.BlockBytes(Magazine.FirstOfOne - 1),
            SlabGeometry.SlabShift,
            In(cache, cache->Tops),
            In(cache, &cache->ReservationBase),
            In(cache, &cache->ReservationBytes),
            In(cache, &cache->Tags),
            In(cache, cache->Map),
            sizeof(NativeArena),
            In(&arena, &arena.Bytes),
            In(&arena, &arena.Layout),
            In(&arena, &arena.Tag),
            In(&arena, &arena.Number),
            In(&arena, &arena.Attach),
            In(&arena, &arena.Allocate),
            In(&arena, &arena.Free),
            In(&arena, &arena.Reallocate),
            In(&arena, &arena.UsableBytes),
            In(&state, &state.End),
            In(&state, &state.Cursor),
            In(&state, &state.End),
            In(&lane, &lane.State),
            In(&lane, &lane.Frames),
            In(&lane, &lane.Index),
        ];
    }

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);
}
