using Engine.Tests.Collections;
using Engine.Tests.Support;
using Samples.Common.Entities;
using static Engine.Tests.Collections.DifferenceException;

namespace Engine.Tests.Samples;

/// <summary>The samples' component store beside a dictionary of dictionaries, with 100,000 entities, and used
/// wrongly.</summary>
internal sealed class EntityStoreTests : ArenaFixture
{
    private const int Entities = 100_000;

    [Test]
    public void A_store_has_what_its_model_has(
        [ValueSource(typeof(ContainerPlaces), nameof(ContainerPlaces.AllChecks))] MemoryChecks checks) =>
        ContainerPrograms.Run(arena => new EntityTwins(arena), checks, steps: 3_600, programLength: 300);

    [Test]
    public void A_hundred_thousand_entities_are_moved_walked_over_and_leave_nothing_behind()
    {
        using EntityStore store = new(Arena);
        Entity[] entities = new Entity[Entities];
        for (int number = 0; number < Entities; number++)
        {
            entities[number] = store.Create(
                number % 4 == 0 ? ComponentSet.Of<Mass>() : ComponentSet.Of<Mass, Speed>());
            store.Get<Mass>(entities[number]).Grams = number;
        }

        for (int number = 0; number < Entities; number += 2)
            store.Add(entities[number], new Speed(number, -number));

        for (int number = 0; number < Entities; number += 5)
            Assert.That(store.Destroy(entities[number]));

        int walked = 0;
        foreach (EntityChunk chunk in store.Query(ComponentSet.Of<Mass, Speed>()))
        {
            Span<Mass> masses = chunk.Get<Mass>();
            Span<Speed> speeds = chunk.Get<Speed>();
            for (int row = 0; row < chunk.Count; row++, walked++)
            {
                int number = masses[row].Grams;
                if (chunk.Entities[row] != entities[number] || (number % 2 == 0 && speeds[row].Y != -number))
                    Assert.Fail($"Entity {number} has another's components.");
            }
        }

        Assert.That(walked, Is.EqualTo(Entities * 4 / 5), "each entity of both archetypes has speed by now");
        Assert.That(store.Count, Is.EqualTo(walked));
        foreach (Entity entity in entities)
            store.Destroy(entity);

        Assert.That(store.Count, Is.Zero);
        store.Dispose();
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    [Category(Os.Machine.NeedsRealKernel)]
    public void Frames_of_a_store_in_a_prewarmed_arena_cost_nothing()
    {
        HotLoopCost cost = HotLoopCost.BestOf(3, () =>
        {
            using EngineMemory memory = new(new EngineMemoryOptions { Checks = MemoryChecks.Off });
            using EntityStore store = new(memory.CreateLongLivedArena("entities"));
            Entity[] entities = new Entity[3_000];
            Frame(store, entities);
            return HotLoopCost.Of(memory, () => Frame(store, entities));
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));

        static void Frame(EntityStore store, Entity[] entities)
        {
            foreach (ref Entity entity in entities.AsSpan())
                entity = store.Create(ComponentSet.Of<Mass>());

            for (int number = 0; number < entities.Length; number += 3)
                store.Add(entities[number], new Speed(1, number));

            foreach (EntityChunk chunk in store.Query(ComponentSet.Of<Speed>()))
            {
                foreach (ref Speed speed in chunk.Get<Speed>())
                    speed = new Speed(speed.Y, speed.X);
            }

            foreach (Entity entity in entities)
                store.Destroy(entity);
        }
    }

    [Test]
    public void Wrong_use_of_a_store_is_told()
    {
        using EntityStore store = new(Arena);
        Entity entity = store.Create(ComponentSet.Of<Mass>());
        Assert.That(() => store.Get<Speed>(entity), Throws.TypeOf<KeyNotFoundException>()
            .With.Message.Contain("has no component Speed"));
        Assert.That(() => store.Add(entity, new Wide()), Throws.ArgumentException
            .With.Message.Contain("do not fit in a chunk"));
        Assert.That((store.Count, store.SetOf(entity)), Is.EqualTo((1, ComponentSet.Of<Mass>())));
        Assert.That(
            () =>
            {
                foreach (EntityChunk chunk in store.Query(ComponentSet.Of<Mass>()))
                    store.Remove<Mass>(chunk.Entities[0]);
            },
            Throws.InvalidOperationException.With.Message.Contain("during a query"));
        Assert.That(store.Destroy(entity));
        Assert.That((store.Destroy(entity), store.Contains(entity), store.SetOf(entity)),
            Is.EqualTo((false, false, default(ComponentSet))));
        Assert.That(() => store.Add(entity, new Mass(1)), Throws.TypeOf<KeyNotFoundException>());
        Assert.That(() => store.Remove<Mass>(entity), Throws.TypeOf<KeyNotFoundException>());
        store.Dispose();
        Assert.That(() => store.Create(default), Throws.TypeOf<ObjectDisposedException>());
    }

    private record struct Mass(int Grams);

    private record struct Speed(float X, float Y);

    private record struct Health(byte Points);

    [System.Runtime.CompilerServices.InlineArray(20_000)]
    private struct Wide
    {
        private byte _first;
    }

    /// <summary>A store beside a dictionary; all components of a type are kept as numbers.</summary>
    private sealed class EntityTwins(ArenaRef arena) : ITwins
    {
        private readonly EntityStore _ours = new(arena);
        private readonly List<Entity> _given = [default];
        private readonly Dictionary<Entity, Dictionary<Type, float>> _theirs = [];

        public void Do(Step step)
        {
            Entity entity = _given[step.First % _given.Count];
            _theirs.TryGetValue(entity, out Dictionary<Type, float>? had);
            switch (step.Kind)
            {
                case < 25:
                    for (int many = step.First % 200; many >= 0; many--)
                        Create(step.Second, many);

                    break;
                case < 50:
                    ThrowUnlessSame(_ours.Contains(entity), had is not null, "contained");
                    ThrowUnlessSame(_ours.Destroy(entity), _theirs.Remove(entity), "destroyed");
                    break;
                case < 60 when had is not null:
                    _ours.Add(entity, new Mass(step.Second));
                    had[typeof(Mass)] = step.Second;
                    break;
                case < 70 when had is not null:
                    _ours.Add(entity, new Speed(step.Second, 1));
                    had[typeof(Speed)] = step.Second;
                    break;
                case < 80 when had is not null:
                    _ours.Add(entity, new Health((byte)step.Second));
                    had[typeof(Health)] = (byte)step.Second;
                    break;
                case < 90 when had is not null:
                    ThrowUnlessSame(_ours.Remove<Speed>(entity), had.Remove(typeof(Speed)), "removed");
                    break;
                case < 98 when had is not null:
                    ThrowUnlessSame(_ours.Remove<Mass>(entity), had.Remove(typeof(Mass)), "removed");
                    break;
                default:
                    foreach (Entity each in _theirs.Keys)
                        _ours.Destroy(each);

                    _theirs.Clear();
                    break;
            }
        }

        public void Compare()
        {
            ThrowUnlessSame(_ours.Count, _theirs.Count, "count");
            int walked = 0;
            foreach (EntityChunk chunk in _ours.Query(default))
            {
                for (int row = 0; row < chunk.Count; row++, walked++)
                {
                    Dictionary<Type, float> had = _theirs[chunk.Entities[row]];
                    ThrowUnlessSame(ulong.PopCount(chunk.Set.Bits), (ulong)had.Count, "components");
                    if (had.TryGetValue(typeof(Mass), out float mass))
                        ThrowUnlessSame((float)chunk.Get<Mass>()[row].Grams, mass, "mass");

                    if (had.TryGetValue(typeof(Speed), out float speed))
                        ThrowUnlessSame(_ours.Get<Speed>(chunk.Entities[row]).X, speed, "speed");

                    if (had.TryGetValue(typeof(Health), out float health))
                        ThrowUnlessSame(chunk.Get<Health>()[row].Points, health, "health");
                }
            }

            ThrowUnlessSame(walked, _theirs.Count, "walked");
            int slow = 0;
            foreach (EntityChunk chunk in _ours.Query(ComponentSet.Of<Mass>(), none: ComponentSet.Of<Speed, Health>()))
                slow += chunk.Count;

            ThrowUnlessSame(
                slow, _theirs.Values.Count(had => had.Count == 1 && had.ContainsKey(typeof(Mass))), "with mass only");
        }

        public void Dispose() => _ours.Dispose();

        private void Create(int number, int which)
        {
            ComponentSet set = which % 3 == 0 ? default
                : which % 3 == 1 ? ComponentSet.Of<Mass, Speed>() : ComponentSet.Of<Health>();
            Entity entity = _ours.Create(set);
            Dictionary<Type, float> had = [];
            if (set.Has<Mass>())
            {
                _ours.Get<Mass>(entity) = new Mass(number);
                had[typeof(Mass)] = number;
                had[typeof(Speed)] = 0;
            }

            if (set.Has<Health>())
                had[typeof(Health)] = 0;

            ThrowUnlessSame(_theirs.ContainsKey(entity), false, "an entity given twice");
            _given.Add(entity);
            _theirs.Add(entity, had);
        }
    }
}
