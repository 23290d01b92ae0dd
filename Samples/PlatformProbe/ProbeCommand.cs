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

        Exit code 0: fine. 1: a policy that said it was done left pages to be faulted in, or the automatic choice does
        not work. 2: wrong options.
        """;

    private static readonly Option<string?> Profile = SampleOptions.Profile(
        "the writes to each policy's SuperSlabs, one of them a frame, in place of measuring");

    /// <summary>Makes the command.</summary>
    /// <param name="measure">Measures, and writes JSON there.</param>
    /// <param name="profile">Profiles into the folder.</param>
    public static RootCommand Create(Func<JsonDestination, int> measure, Func<string, int> profile)
    {
        var command = new RootCommand(Purpose) { SampleOptions.Json, Profile };
        command.Validators.Add(result =>
        {
            if (result.GetValue(Profile) is not null && result.GetValue(SampleOptions.Json) is not null)
                result.AddError($"{Profile.Name} measures nothing: not with {SampleOptions.Json.Name}.");
        });
        command.SetAction(parsed => parsed.GetValue(Profile) is { } folder
            ? profile(folder)
            : measure(new JsonDestination(parsed.GetValue(SampleOptions.Json))));
        return command;
    }
}
