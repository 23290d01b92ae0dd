using Samples.Common;

namespace Samples.Soak;

/// <summary>
/// The engine under a mixed load for a given time: threads that are born and die, blocks of all sizes, frames,
/// scenes that come and go in the background, an operating system that refuses now and then. It answers whether hours
/// leave a trace.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(SoakCommand.Create(Run), arguments);

    private static int Run(SoakOptions options)
    {
        JsonDestination json = new(options.Json);
        SampleProfile.Prepare(options.Profile);
        SoakDocument result;
        using (SoakRun run = new(options, json.Tables.WriteLine))
        {
            result = run.Run();
        }

        json.Write(result, SoakJson.Default.SoakDocument);
        return RowRunner.Judge(result.Violations);
    }
}
