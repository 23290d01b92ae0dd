using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text;

namespace SuperSlab.Scenes;

/// <summary>Writes a valid plan as JSON for people: what is at its default is left out, sizes have units, a block has one line.</summary>
internal sealed class PlanWriter
{
    private readonly Utf8JsonWriter _json;

    private PlanWriter(Utf8JsonWriter json) => _json = json;

    public static string Write(ScenePlan plan)
    {
        ArrayBufferWriter<byte> buffer = new();
        JsonWriterOptions options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter json = new(buffer, options))
        {
            new PlanWriter(json).WritePlan(plan);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    private void WritePlan(ScenePlan plan)
    {
        _json.WriteStartObject();
        _json.WriteString("name", plan.Name);
        WriteChoice("prefault", plan.Prefault, PlanChoices.Prefault);
        WriteChoice("pages", plan.Pages, PlanChoices.Pages);
        if (plan.Frame is { } frame)
        {
            _json.WriteStartObject("frame");
            WriteSize("bytesPerLane", frame.BytesPerLane);
            _json.WriteNumber("lanes", frame.LaneCount);
            _json.WriteNumber("buffers", frame.BufferCount);
            WriteNumber("overflowSuperSlabs", frame.OverflowSuperSlabs, 0);
            _json.WriteEndObject();
        }

        if (plan.Arenas.Count != 0)
        {
            _json.WriteStartObject("arenas");
            foreach (ArenaPlan arena in plan.Arenas)
                WriteArena(arena);

            _json.WriteEndObject();
        }

        WriteHotLoop(plan.HotLoop);
        _json.WriteEndObject();
    }

    private void WriteArena(ArenaPlan arena)
    {
        _json.WriteStartObject(arena.Name);
        ArenaBudget budget = arena.Budget;
        if (budget.SoftBytes != 0 || budget.HardBytes != 0)
        {
            _json.WriteStartObject("budget");
            WriteSize("soft", budget.SoftBytes);
            WriteSize("hard", budget.HardBytes);
            _json.WriteEndObject();
        }

        if (arena.Blocks.Count != 0 || arena.SuperSlabs != 0)
        {
            _json.WriteStartObject("prewarm");
            if (arena.Blocks.Count != 0)
            {
                _json.WriteStartArray("blocks");
                foreach (BlockCount block in arena.Blocks)
                    WriteBlock(block);

                _json.WriteEndArray();
            }

            WriteNumber("superSlabs", arena.SuperSlabs, 0);
            _json.WriteEndObject();
        }

        WriteNumber("threads", arena.Threads, 1);
        if (!arena.Carve)
            _json.WriteBoolean("carve", false);

        WriteChoice("overflow", budget.Overflow, PlanChoices.Overflow);
        WriteSize("retain", arena.RetainBytes);
        _json.WriteEndObject();
    }

    private void WriteBlock(BlockCount block)
    {
        string bytes = block.Bytes % 1024 == 0 ? $"\"{PlanText.Size(block.Bytes)}\"" : block.Bytes.ToString(CultureInfo.InvariantCulture);
        string threads = block.Threads == 0 ? string.Empty : string.Create(CultureInfo.InvariantCulture, $", \"threads\": {block.Threads}");

        // Raw values are not indented by the writer.
        string indent = new(' ', 2 * _json.CurrentDepth);
        _json.WriteRawValue(string.Create(CultureInfo.InvariantCulture, $"\n{indent}{{ \"bytes\": {bytes}, \"count\": {block.Count}{threads} }}"));
    }

    private void WriteHotLoop(HotLoopRules rules)
    {
        if (rules == new HotLoopRules())
            return;

        _json.WriteStartObject("hotLoop");
        WriteNumber("warmUpFrames", rules.WarmUpFrames, 0);
        WriteRule("pageFaults", rules.PageFaults);
        WriteRule("osCalls", rules.OsCalls);
        WriteRule("managedBytes", rules.ManagedBytes);
        WriteRule("collections", rules.Collections);
        WriteRule("frameOverflow", rules.FrameOverflow);
        WriteRule("budgetOverrun", rules.BudgetOverrun);
        if (rules.TagOverrun is { } tags)
            WriteWholeRule("tagOverrun", tags);

        _json.WriteEndObject();
    }

    private void WriteRule(string name, HotLoopRule rule)
    {
        if (rule != default)
            WriteWholeRule(name, rule);
    }

    private void WriteWholeRule(string name, HotLoopRule rule)
    {
        _json.WriteStartObject(name);
        _json.WriteNumber("allowed", rule.AllowedPerFrame);
        _json.WriteString("action", PlanChoices.Action.WordOf(rule.Action));
        _json.WriteEndObject();
    }

    private void WriteNumber(string name, int value, int unless)
    {
        if (value != unless)
            _json.WriteNumber(name, value);
    }

    private void WriteSize(string name, nuint bytes)
    {
        if (bytes % 1024 != 0)
            _json.WriteNumber(name, bytes);
        else if (bytes != 0)
            _json.WriteString(name, PlanText.Size(bytes));
    }

    private void WriteChoice<T>(string name, T value, PlanChoices<T> choices)
        where T : struct, Enum
    {
        if (!EqualityComparer<T>.Default.Equals(value, default))
            _json.WriteString(name, choices.WordOf(value));
    }
}
