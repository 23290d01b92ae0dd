using System.Text;

namespace Engine.Tests.Scenes;

/// <summary>The plans that lie beside these tests: valid ones, and invalid ones with the message that each must
/// get.</summary>
internal static class PlanFiles
{
    private static readonly string s_folder = Path.Combine(TestContext.CurrentContext.TestDirectory, "Scenes");

    public static string ValidFolder => Path.Combine(s_folder, "ValidPlans");

    public static IEnumerable<string> ValidNames => Directory.GetFiles(ValidFolder, "*.json")
        .Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal);

    public static IEnumerable<string> InvalidNames => InvalidPlans.All.Plans.Keys.Order(StringComparer.Ordinal);

    public static byte[] Valid(string name) => File.ReadAllBytes(Path.Combine(ValidFolder, name + ".json"));

    public static byte[] Invalid(string name) => InvalidPlans.All.Plans[name].Plan;

    public static string Message(string invalid) => InvalidPlans.All.Plans[invalid].Message;

    /// <summary>Finds the plans that valid and invalid ones are based on.</summary>
    public static byte[]? Base(string name)
    {
        string file = Path.GetFileName(name);
        string ofValid = Path.Combine(ValidFolder, "bases", file);
        return InvalidPlans.All.Bases.TryGetValue(file, out InvalidPlans.Entry? found) ? found.Plan
            : File.Exists(ofValid) ? File.ReadAllBytes(ofValid)
            : null;
    }

    public static ScenePlan Parse(string json) => ScenePlan.Parse(Encoding.UTF8.GetBytes(json));
}
