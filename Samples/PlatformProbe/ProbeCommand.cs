using System.CommandLine;
using Samples.Common;

namespace PlatformProbe;

internal static class ProbeCommand
{
    private const string Purpose =
        """
        What does my machine do? For each prefault policy with each kind of pages: is it available, how fast is it, and
        do writes afterwards really not fault. Then what the engine chooses by itself and why, a large prewarm beside
        the kernel alone, and why MAP_POPULATE seems not to work.

        Exit code 0: fine. 1: a policy that said it was done left pages to be faulted in, the automatic choice does not
        work, or pinned pages faulted. 2: wrong options.
        """;

    private static readonly Option<string?> Profile = SampleOptions.Profile(
        "the writes to each policy's SuperSlabs, one of them a frame, in place of measuring");

    private static readonly Option<int?> Stress = SampleOptions.New<int?>(
        "--stress",
        "In place of measuring, run a prewarmed loop for that long beside each thing that the kernel can do to its "
        + "pages, with each policy that makes them stay. Needs root for most; settings are put back.",
        "SECONDS").Within(1, 600);

    /// <summary>Makes the command.</summary>
    /// <param name="measure">Measures, and writes JSON there.</param>
    /// <param name="profile">Profiles into the folder.</param>
    /// <param name="stress">Stresses; takes the seconds for each stress.</param>
    public static RootCommand Create(
        Func<JsonDestination, int> measure, Func<string, int> profile, Func<int, int> stress)
    {
        var command = new RootCommand(Purpose) { SampleOptions.Json, Profile, SampleOptions.CallSites, Stress };
        command.Validators.Add(result =>
        {
            bool isOther = result.GetValue(SampleOptions.Json) is not null || result.GetValue(Stress) is not null;
            if (result.GetValue(Profile) is not null && isOther)
            {
                result.AddError(
                    $"{Profile.Name} measures nothing: not with {SampleOptions.Json.Name} or {Stress.Name}.");
            }

            if (result.GetValue(Stress) is not null && result.GetValue(SampleOptions.Json) is not null)
                result.AddError($"{Stress.Name} prints a table only: not with {SampleOptions.Json.Name}.");
        });
        command.SetAction(parsed => parsed.GetValue(Profile) is { } folder ? profile(folder)
            : parsed.GetValue(Stress) is { } seconds ? stress(seconds)
            : measure(new JsonDestination(parsed.GetValue(SampleOptions.Json))));
        return command;
    }
}
