using System.Diagnostics;
using System.Text.Json;
using Engine.Tests.Support;
using Samples.Soak;

namespace Engine.Tests.Samples;

/// <summary>A short soak: it passes, and it finds the faults that it is told to make.</summary>
[TestFixture]
[Category(Lane.Slow)]
[Parallelizable(ParallelScope.Self)]
internal sealed class SoakTests
{
    [Test]
    public void Some_seconds_of_everything_leave_no_trace()
    {
        SampleProcess run = SampleProcess.Run("Soak", "--seconds", "6", "--seed", "7", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        JsonElement root = document.RootElement;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(root.GetProperty("violations").GetArrayLength(), Is.Zero);
            Assert.That(root.GetProperty("rows").GetArrayLength(), Is.GreaterThanOrEqualTo(6));
            Assert.That(root.GetProperty("floorBytes").GetArrayLength(), Is.GreaterThanOrEqualTo(3));
            Assert.That(root.GetProperty("threadsBorn").GetInt64(), Is.Positive);
            Assert.That(root.GetProperty("scenesLoaded").GetInt64(), Is.Positive);
            Assert.That(
                root.GetProperty("failuresInjected").GetInt64(), OperatingSystem.IsLinux() ? Is.Positive : Is.Zero);
        }
    }

    [Test]
    public void A_run_goes_on_until_it_has_the_floors_that_show_growth()
    {
        SampleProcess run = SampleProcess.Run("Soak", "--seconds", "3", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        Assert.That(
            document.RootElement.GetProperty("floorBytes").GetArrayLength(), Is.GreaterThan(4),
            "the last one included");
    }

    [Test]
    public void Sizes_drift_and_what_is_held_for_live_bytes_is_told_by_its_parts()
    {
        SampleProcess run = SampleProcess.Run("Soak", "--seconds", "6", "--drift", "--seed", "7", "--json", "-");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        JsonElement[] lulls = [.. document.RootElement.GetProperty("lulls").EnumerateArray()];
        Assert.That(lulls, Has.Length.GreaterThanOrEqualTo(3));
        foreach (JsonElement lull in lulls)
        {
            JsonElement use = lull.GetProperty("use");
            long held = use.EnumerateObject().Where(part => part.Name != "bytes").Sum(part => part.Value.GetInt64());
            double live = lull.GetProperty("liveBytes").GetInt64();
            Assert.That(held, Is.EqualTo(use.GetProperty("bytes").GetInt64()).And.GreaterThan(live));
            Assert.That(use.GetProperty("liveBytes").GetInt64(), Is.GreaterThanOrEqualTo(live));
            Assert.That(lull.GetProperty("heldToLive").GetDouble(), Is.EqualTo(held / live).Within(1e-9));
        }
    }

    /// <summary>It would run for a minute by itself; its last row shows that it did not, the profile that it wrote what
    /// it had. Where the tests run in the background, they were told to ignore the signal, and their children with
    /// them: env takes that back.</summary>
    [TestCase("INT")]
    [TestCase("TERM")]
    [Platform(Exclude = "Win")]
    public void A_first_signal_ends_it_early_and_all_is_written(string signal)
    {
        string folder = Directory.CreateTempSubdirectory("soak-ends-").FullName;
        try
        {
            string program = Path.Combine(AppContext.BaseDirectory, "Soak");
            ProcessStartInfo start = OperatingSystem.IsLinux()
                ? new("env", ["--default-signal", program, "--profile", folder])
                : new(program, ["--profile", folder]);
            start.RedirectStandardOutput = true;
            start.RedirectStandardError = true;
            using Process soak = Process.Start(start)!;
            Task<string> errors = soak.StandardError.ReadToEndAsync();
            int? second = null;
            for (string? line = soak.StandardOutput.ReadLine(); line is not null; line = soak.StandardOutput.ReadLine())
            {
                if (!int.TryParse(line.TrimStart().Split(' ')[0], out int ofRow))
                    continue;

                if (second is null)
                    Process.Start("kill", ["-" + signal, $"{soak.Id}"]).Dispose();

                second = ofRow;
            }

            soak.WaitForExit();
            Assert.That(soak.ExitCode, Is.Zero, errors.Result);
            Assert.That(second, Is.LessThan(60));
            Assert.That(File.Exists(Path.Combine(folder, "profile.json")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestCase("growth", "resident memory grew")]
    [TestCase("corruption", "changed at offset 0")]
    [TestCase("leak", "everything was freed, and yet")]
    public void A_fault_is_found(string sabotage, string message)
    {
        SampleProcess run = SampleProcess.Run("Soak", "--seconds", "12", "--sabotage", sabotage);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(1));
            Assert.That(run.Error, Does.StartWith("error: ").And.Contains(message));
        }
    }

    [TestCase("takes 1 to 10000, not 0", "--minutes", "0")]
    [TestCase("takes 3 to 600000, not 2", "--seconds", "2")]
    [TestCase("'x'", "--seed", "x")]
    [TestCase("Did you mean --minutes?", "--minuts", "3")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("Soak", arguments).MustBeBadInput(message);

    [Test]
    public void The_line_of_best_fit_rises_as_its_values_do()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Slope.Rise([10, 20, 30, 40]), Is.EqualTo(30).Within(1e-9));
            Assert.That(Slope.Rise([5, 1, 5, 1, 5]), Is.Zero.Within(1e-9));
            Assert.That(Slope.Rise([7]), Is.Zero);
        }
    }
}
