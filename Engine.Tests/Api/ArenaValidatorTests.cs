using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>The walker finds damage: each test breaks one equation, sees it reported, and puts it back.</summary>
internal sealed unsafe class ArenaValidatorTests
{
    private const uint Tag = 7 << 8;
    private const int SizeClass = 10;

    private LowerLayers _layers = null!;
    private ArenaSlabs _slabs = null!;
    private ArenaCaches _caches = null!;
    private nuint _block;

    [SetUp]
    public void MakeArena()
    {
        _layers = new LowerLayers();
        _slabs = new ArenaSlabs(_layers.Reservation, _layers.Pool, _layers.Heap, Tag);
        _caches = new ArenaCaches(_layers.Reservation, _layers.Heap, _slabs);
        ThreadCache* cache = _caches.Attach();
        _block = _caches.Allocate(cache, SizeClass);
        _caches.Allocate(cache, SizeClasses.IndexOf(5 << 20));
        Validate();
    }

    [TearDown]
    public void Dispose() => _layers.Dispose();

    [Test]
    public void A_wrong_count_of_free_blocks_is_found() => Finds(ref RunOf(_block)->FreeBlocks, 1, "free blocks");

    [Test]
    public void A_wrong_count_of_runs_is_found() => Finds(ref _slabs.ClassOf(SizeClass)->Runs, 1, "runs");

    [Test]
    public void A_wrong_count_of_empty_runs_is_found() =>
        Finds(ref _slabs.ClassOf(SizeClass)->EmptyRuns, 1, "empty runs");

    [Test]
    public void A_lost_prewarmed_run_is_found() =>
        Finds(ref _slabs.ClassOf(SizeClass)->PrewarmedRuns, 5, "lost prewarmed runs");

    [Test]
    public void A_lock_left_behind_is_found() => Finds(ref _slabs.ClassOf(SizeClass)->Lock, 1, "is locked");

    [Test]
    public void A_broken_list_is_found() => Finds(ref RunOf(_block)->Previous, 5, "list of class");

    [Test]
    public void A_lost_list_is_found() =>
        Finds(ref _slabs.ClassOf(SizeClass)->FirstRun, SlabGeometry.None - _slabs.ClassOf(SizeClass)->FirstRun,
        "lists 0 runs");

    [Test]
    public void A_wrong_longest_run_is_found() =>
        Finds(ref _layers.Reservation.SuperSlabs[0].LongestFreeRun, 1, "longest free run");

    [Test]
    public void Another_owner_is_found()
    {
        _layers.Reservation.SuperSlabs[0].OwnerTag = 0x900;
        Assert.That(Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("owner tag"));
    }

    [Test]
    public void A_free_slab_that_is_in_use_is_found()
    {
        _layers.Reservation.SuperSlabs[0].FreeSlabs |= 1u << (SlabGeometry.SlabCount - 1);
        Assert.That(Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("SuperSlab 0"));
    }

    [Test]
    public void A_lost_free_block_is_found()
    {
        SlabRun* run = RunOf(_block);
        run->Bitmap[run->BitmapWords - 1] = 0;
        Assert.That(Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("its bitmap has"));
    }

    [Test]
    public void A_block_that_is_twice_in_a_cache_is_found()
    {
        ThreadCache* cache = _caches.Attach();
        Push(cache, _block);
        Push(cache, _block);
        Assert.That(
            Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("twice among the freed blocks"));
    }

    [Test]
    public void A_block_that_is_in_a_cache_and_free_in_its_run_is_found()
    {
        ThreadCache* cache = _caches.Attach();
        nuint home = _block;
        _slabs.Return(SizeClass, &home, 1);
        Push(cache, home);
        Assert.That(Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("free in its run"));
    }

    [Test]
    public void An_address_within_a_block_in_a_cache_is_found()
    {
        Push(_caches.Attach(), _block + 16);
        Assert.That(
            Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains("not the beginning of a block"));
    }

    private static void Push(ThreadCache* cache, nuint block)
    {
        nuint* top = ThreadCache.Top(cache, SizeClass);
        *top = block;
        ThreadCache.SetTop(cache, SizeClass, top + 1);
    }

    private void Finds(ref int field, int change, string message)
    {
        field += change;
        Assert.That(Validate, Throws.TypeOf<EngineMemoryException>().With.Message.Contains(message));
        field -= change;
        Assert.That(Validate, Throws.Nothing);
    }

    private SlabRun* RunOf(nuint block) => _slabs.Runs[_slabs.Runs.SlabOf((nint)block)];

    private void Validate() => new ArenaValidator(_layers.Reservation, _slabs, Tag).Run(_caches);
}
