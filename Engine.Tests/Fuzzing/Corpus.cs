namespace Engine.Tests.Fuzzing;

/// <summary>
/// The inputs that fuzzing begins with, kept beside these tests: Corpus/NAME for each target, one input to a line, in base 64 where it is
/// not text. An input that once broke something is added there and stays. (Those of plans are the plans in Scenes.)
/// </summary>
internal static class Corpus
{
    public static byte[][] Bytes(string name) => Array.ConvertAll(Lines(name), Convert.FromBase64String);

    public static string[] Lines(string name) =>
        [.. File.ReadLines(Path.Combine(TestContext.CurrentContext.TestDirectory, "Fuzzing", "Corpus", name)).Where(line => !line.StartsWith('#'))];
}
