using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Engine.Core;
using Engine.Scenes;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Whatever bytes come, a plan is read whole or refused with its errors: no other exception, no hang, no half of a scene.</summary>
public class PlanMutationTests
{
    private const int Mutations = 200_000;
    private const int Loads = 60;

    [Test]
    public void Mutated_plan_is_read_whole_or_refused_with_its_errors()
    {
        PlanMutator mutator = new(TestRandom.Create(), Originals());
        SchemaChecker schema = PlanSchemaTests.Checker();
        JsonDocumentOptions options = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };
        int accepted = 0;
        long longest = 0;
        for (int done = 0; done < Mutations; done++)
        {
            byte[] text = mutator.Next();
            long start = Stopwatch.GetTimestamp();
            string? wrong = null;
            try
            {
                ScenePlan plan = ScenePlan.Parse(text, PlanFiles.Base);
                accepted++;
                string json = plan.ToJson();
                using JsonDocument document = JsonDocument.Parse(WithoutMark(text), options);
                wrong = PlanFiles.Parse(json).ToJson() != json ? "It does not read back as it was." : schema.Check(document.RootElement);
            }
            catch (ScenePlanException refused)
            {
                wrong = refused.Errors.Count is >= 1 and <= PlanErrors.Maximum && refused.Message.Contains(refused.Errors[^1].ToString(), StringComparison.Ordinal)
                    ? null
                    : "It was refused without its errors.";
            }
            catch (Exception other)
            {
                wrong = other.ToString();
            }

            longest = Math.Max(longest, Stopwatch.GetTimestamp() - start);
            if (wrong is not null)
            {
                Assert.Fail($"Mutation {done}: {wrong}\n{Encoding.UTF8.GetString(text)}");
            }
        }

        TestContext.Out.WriteLine($"{accepted} of {Mutations} are still plans; the longest took {longest * 1000 / Stopwatch.Frequency} ms.");
        Assert.That(accepted, Is.GreaterThan(Mutations / 100));
    }

    [Test]
    public void Mutated_plan_is_loaded_whole_or_not_at_all()
    {
        byte[][] originals = [PlanFiles.Valid("inheriting"), PlanFiles.Valid("everything"), PlanFiles.Valid("comments-and-commas")];
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
                Assert.That(plan.Arenas.Select(arena => scene.GetArena(arena.Name).Name), Is.EqualTo(plan.Arenas.Select(arena => $"{plan.Name}: {arena.Name}")));
            }
            catch (EngineOutOfMemoryException)
            {
                refused++;
            }

            Assert.That(memory.OwnedSuperSlabs, Is.Zero, plan.ToJson());
            memory.Trim();
            memory.Validate();
            Assert.That(memory.ReadySuperSlabs, Is.Zero, plan.ToJson());
        }

        TestContext.Out.WriteLine($"{loaded} loaded, {refused} did not fit.");
        Assert.That(loaded, Is.GreaterThan(0));
    }

    /// <summary>Half of them valid plans, half invalid ones.</summary>
    private static byte[][] Originals() =>
    [
        .. Enumerable.Repeat(PlanFiles.ValidNames, 20).SelectMany(names => names).Select(PlanFiles.Valid),
        .. PlanFiles.InvalidNames.Select(PlanFiles.Invalid).Where(text => text.Length < 1000),
    ];

    private static byte[] WithoutMark(byte[] text) => text.AsSpan().StartsWith("\uFEFF"u8) ? text[3..] : text;
}
