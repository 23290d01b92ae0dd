using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>The table of live blocks against a dictionary, through growth, removals and the reuse of slots.</summary>
[TestFixture]
internal sealed class BlockTableTests
{
    [Test]
    public void Random_churn_agrees_with_a_dictionary()
    {
        var table = new BlockTable(1);
        Dictionary<ulong, int> shadow = [];
        HashSet<int> inUse = [];
        List<int> awaiting = [];
        var random = new Random(7);
        ulong nextId = 0;
        for (int turn = 0; turn < 200_000; turn++)
        {
            if (random.Next(100) == 0)
            {
                table.RecycleSlots();
                inUse.ExceptWith(awaiting);
                awaiting.Clear();
            }

            if (shadow.Count == 0 || random.Next(100) < 52)
            {
                int slot = table.Add(nextId, (ulong)turn, 3);
                Assert.That(inUse.Add(slot), $"slot {slot} was given twice");
                shadow.Add(nextId++, slot);
                continue;
            }

            ulong id = nextId - 1 - (ulong)random.Next((int)Math.Min(nextId, 9000));
            int found = table.Find(id);
            Assert.That(found, Is.EqualTo(shadow.TryGetValue(id, out int expected) ? expected : -1));
            if (found >= 0)
            {
                Assert.That(table[found].Id, Is.EqualTo(id));
                table.Remove(found);
                shadow.Remove(id);
                awaiting.Add(found);
            }
        }

        Assert.That(table.LiveCount, Is.EqualTo(shadow.Count));
    }
}
