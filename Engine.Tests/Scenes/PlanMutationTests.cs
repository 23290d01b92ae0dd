using Engine.Tests.Fuzzing;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Whatever plan was read, its scene is loaded whole or not at all. (What is read at all is a matter of
/// Fuzzing/PlanFuzzTests.)</summary>
public class PlanMutationTests
{
    private const int Loads = 60;

    [Test]
    public void Mutated_plan_is_loaded_whole_or_not_at_all()
    {
        byte[][] originals =
            [PlanFiles.Valid("inheriting"), PlanFiles.Valid("everything"), PlanFiles.Valid("comments-and-commas")];
        PlanMutator mutator = new(TestRandom.Create(), originals);
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        int loaded = 0;
        int refused = 0;
        while (loaded + refused < Loads)
        {
            ScenePlan plan;
            try
            {
                plan = ScenePlan.Parse(mutator.Next(), PlanFiles.Base);
            }
            catch (ScenePlanException)
            {
                continue;
            }

            try
            {
                using Scene scene = Scene.Load(memory, plan);
                loaded++;
                memory.Validate();
                Assert.That(plan.Arenas.Select(arena =>
                    scene.GetArena(arena.Name).Name), Is.EqualTo(plan.Arenas.Select(arena =>
                    $"{plan.Name}: {arena.Name}")));
            }
            catch (EngineOutOfMemoryException)
            {
                refused++;
            }

            Assert.That(memory.OwnedSuperSlabCount, Is.Zero, plan.ToJson());
            memory.Trim();
            memory.Validate();
            Assert.That(memory.ReadySuperSlabCount, Is.Zero, plan.ToJson());
        }

        TestContext.Out.WriteLine($"{loaded} loaded, {refused} did not fit.");
        Assert.That(loaded, Is.GreaterThan(0));
    }
}
