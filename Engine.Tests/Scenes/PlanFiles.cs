using System.Text;

namespace Engine.Tests.Scenes;

/// <summary>The plans that lie beside these tests: valid ones, and invalid ones with the message that each must get.</summary>
internal static class PlanFiles
{
    private static readonly string s_folder = Path.Combine(TestContext.CurrentContext.TestDirectory, "Scenes");

    public static string ValidFolder => Path.Combine(s_folder, "ValidPlans");

    public static IEnumerable<string> ValidNames => Names("ValidPlans");

    public static IEnumerable<string> InvalidNames => Names("InvalidPlans");

    public static byte[] Valid(string name) => File.ReadAllBytes(Path.Combine(ValidFolder, name + ".json"));

    public static byte[] Invalid(string name) => File.ReadAllBytes(Path.Combine(s_folder, "InvalidPlans", name + ".json"));

    public static string Message(string invalid) => File.ReadAllText(Path.Combine(s_folder, "InvalidPlans", invalid + ".txt")).TrimEnd('\n');

    /// <summary>Finds the plans that valid and invalid ones are based on.</summary>
    public static byte[]? Base(string name)
    {
        string file = Path.GetFileName(name);
        string[] places = [Path.Combine(s_folder, "InvalidPlans", "bases", file), Path.Combine(s_folder, "ValidPlans", "bases", file)];
        return Array.Find(places, File.Exists) is { } found ? File.ReadAllBytes(found) : null;
    }

    public static ScenePlan Parse(string json) => ScenePlan.Parse(Encoding.UTF8.GetBytes(json));

    private static IEnumerable<string> Names(string folder) =>
        Directory.GetFiles(Path.Combine(s_folder, folder), "*.json").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal);
}
