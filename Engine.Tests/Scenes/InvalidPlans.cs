using System.Globalization;
using System.Text;

namespace Engine.Tests.Scenes;

/// <summary>InvalidPlans.txt, whose head says how it is written: plans that are refused, and the message of
/// each.</summary>
internal sealed class InvalidPlans
{
    private const string BaseMark = "bases/";
    private const string Base64Mark = " base64";
    private static readonly string s_file =
        Path.Combine(TestContext.CurrentContext.TestDirectory, "Scenes", "InvalidPlans.txt");

    private readonly List<string> _head = [];
    private readonly List<Entry> _entries = [];

    private InvalidPlans(string[] lines)
    {
        foreach (string line in lines)
        {
            if (line.StartsWith("=== ", StringComparison.Ordinal))
                _entries.Add(new Entry(line[4..]));
            else if (_entries.Count == 0)
                _head.Add(line);
            else
                _entries[^1].Add(line);
        }

        _entries.ForEach(entry => entry.End());
        Plans = _entries.Where(entry => !entry.IsBase).ToDictionary(entry => entry.Name);
        Bases = _entries.Where(entry => entry.IsBase).ToDictionary(entry => entry.Name[BaseMark.Length..]);
    }

    public static InvalidPlans All { get; } = new(File.ReadAllLines(s_file));

    /// <summary>The file as it stands.</summary>
    public static string FileText => string.Join('\n', File.ReadAllLines(s_file)) + "\n";

    /// <summary>The plans by their names.</summary>
    public Dictionary<string, Entry> Plans { get; }

    /// <summary>What they are based on, by the name that a plan says.</summary>
    public Dictionary<string, Entry> Bases { get; }

    /// <summary>The file with other messages.</summary>
    /// <param name="messageOf">Finds a plan's message.</param>
    public string Written(Func<Entry, string> messageOf)
    {
        StringBuilder text = new();
        _head.ForEach(line => text.Append(line).Append('\n'));
        text.Append(string.Join('\n', _entries.Select(entry => entry.Written(messageOf))));
        return text.ToString();
    }

    /// <summary>A plan and its message.</summary>
    internal sealed class Entry(string title)
    {
        private readonly List<string> _plan = [];
        private List<string>? _message;

        public string Name { get; } = title.EndsWith(Base64Mark, StringComparison.Ordinal)
            ? title[..^Base64Mark.Length]
            : title;

        public bool IsBase => Name.StartsWith(BaseMark, StringComparison.Ordinal);

        /// <summary>The plan's bytes: each line ends with a line feed.</summary>
        public byte[] Plan => Name == title
            ? Encoding.UTF8.GetBytes(string.Concat(Expanded(_plan).Select(line => line + "\n")))
            : Convert.FromBase64String(string.Concat(_plan));

        public string Message => string.Join('\n', Expanded(_message ?? []));

        public void Add(string line)
        {
            if (_message is not null)
                _message.Add(line);
            else if (line == "---" && !IsBase)
                _message = [];
            else
                _plan.Add(line);
        }

        /// <summary>Leaves out the empty line before the next plan.</summary>
        public void End()
        {
            List<string> last = _message ?? _plan;
            if (last is [.., ""])
                last.RemoveAt(last.Count - 1);
        }

        public string Written(Func<Entry, string> messageOf)
        {
            string plan = string.Concat(_plan.Prepend("=== " + title).Select(line => line + "\n"));
            if (IsBase)
                return plan;
            string message = messageOf(this);
            return $"{plan}---\n{(message == Message ? string.Join('\n', _message ?? []) : message)}\n";
        }

        /// <summary>Makes the lines that "@FROM..TO TEXT" stands for.</summary>
        private static IEnumerable<string> Expanded(List<string> lines) => lines.SelectMany(line =>
        {
            if (!line.StartsWith('@'))
                return [line];
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            int[] range = Array.ConvertAll(line[1..space].Split(".."), int.Parse);
            return Enumerable.Range(range[0], range[1] - range[0] + 1).Select(number => line[(space + 1)..]
                .Replace("%", number.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        });
    }
}
