using Samples.Common;
using Samples.Soak.Rows;

namespace Samples.Soak;

/// <summary>
/// The engine under a mixed load for as long as it is told: threads that are born and die, blocks of all sizes, frames, scenes that come
/// and go in the background, an operating system that refuses now and then. It answers whether hours leave a trace.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(SoakCommand.Create(Run), arguments);

    private static int Run(SoakOptions options)
    {
        JsonDestination json = new(options.Json);
        Action<string> print = json.IsStandardOutput ? _ => { } : Console.Out.WriteLine;
        SampleProfile.Prepare(options.Profile);
        SoakDocument result;
        using (SoakRun run = new(options, print))
        {
            result = run.Run();
        }

        json.Write(result, SoakJson.Default.SoakDocument);
        foreach (string violation in result.Violations)
        {
            Console.Error.WriteLine("error: " + violation);
        }

        return result.Violations.Count == 0 ? ExitCodes.Success : ExitCodes.Failure;
    }
}
