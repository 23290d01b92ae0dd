using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Diagnostics.NETCore.Client;
using Samples.Common;

namespace Samples.Profiler.Listening;

/// <summary>The process that is listened to, and the ways in which it may not be there.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Name">Its name.</param>
internal sealed record Target(int Id, string Name)
{
    /// <summary>How long the end of a session may take.</summary>
    public static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(20);

    /// <summary>Finds the process that <c>--attach</c> gives, by its number or its name.</summary>
    /// <exception cref="BadInputException">There is no such process, or there are several of the name.</exception>
    public static Target Find(string process)
    {
        if (int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            return Find(id);

        Target[] named = Named(process);
        return named.Length switch
        {
            1 => named[0],
            0 => throw new BadInputException($"--attach: no .NET process is called '{process}'."),
            _ => throw new BadInputException(
                $"--attach: {named.Length} processes are called '{process}'; give one's number: "
                + $"{string.Join(", ", named.Select(one => one.Id))}."),
        };
    }

    /// <summary>
    /// The .NET processes of a name, this one excepted. A program that <c>dotnet</c> runs has its assembly's name,
    /// where the system tells its arguments.
    /// </summary>
    public static Target[] Named(string name) =>
    [
        .. DiagnosticsClient.GetPublishedProcesses().Where(id => id != Environment.ProcessId).Order()
            .Select(TryName).OfType<Target>()
            .Where(one => string.Equals(one.Name, name, StringComparison.OrdinalIgnoreCase)),
    ];

    private static Target? TryName(int id)
    {
        try
        {
            using Process process = Process.GetProcessById(id);
            string name = process.ProcessName;
            return new Target(id, name == "dotnet" ? AssemblyOf(id) ?? name : name);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException)
        {
            return null; // It ended in this moment.
        }
    }

    private static string? AssemblyOf(int id)
    {
        try
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/cmdline");
            string? assembly = Array.Find(
                File.ReadAllText(path).Split('\0'),
                argument => argument.EndsWith(".dll", StringComparison.OrdinalIgnoreCase));
            return Path.GetFileNameWithoutExtension(assembly);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Target Find(int id)
    {
        try
        {
            using Process process = Process.GetProcessById(id);
            return new Target(id, process.ProcessName);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException)
        {
            throw new BadInputException($"--attach: there is no process {id}.", error);
        }
    }

    /// <summary>Opens a session of its event pipe.</summary>
    /// <exception cref="BadInputException">It is no .NET process, or one of another user.</exception>
    /// <exception cref="RunFailedException">It does not answer.</exception>
    /// <exception cref="OperationCanceledException">The caller no longer waits.</exception>
    public EventPipeSession Open(CancellationToken stop, params EventPipeProvider[] providers)
    {
        try
        {
            using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
            patience.CancelAfter(s_answer);
            return new DiagnosticsClient(Id).StartEventPipeSessionAsync(
                providers, requestRundown: false, circularBufferMB: 64, patience.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException error) when (!stop.IsCancellationRequested)
        {
            throw new RunFailedException(
                $"process {Id} ({Name}) did not answer within {s_answer.TotalSeconds:0} s.", error);
        }
        catch (Exception error) when (error is ServerNotAvailableException or SocketException
            or UnauthorizedAccessException)
        {
            throw new BadInputException(
                $"--attach: process {Id} ({Name}) cannot be listened to: it is no .NET process, runs as another "
                    + "user, or was compiled without EventSourceSupport.",
                error);
        }
        catch (EndOfStreamException error)
        {
            throw Vanished(error);
        }
    }

    /// <summary>Ends a session. A process that a debugger or a signal has stopped does not answer.</summary>
    /// <returns>Whether it answered within <see cref="StopPatience"/>, or has ended.</returns>
    public bool Stop(EventPipeSession session)
    {
        try
        {
            using CancellationTokenSource patience = new(StopPatience);
            session.StopAsync(patience.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine(
                $"warning: process {Id} ({Name}) does not answer; it may be stopped, as by a debugger.");
            return false;
        }
        catch (Exception error) when (error is ServerNotAvailableException or IOException)
        {
            // It ended in this moment.
        }

        return true;
    }

    public RunFailedException Vanished(Exception? cause = null)
    {
        string message = $"process {Id} ({Name}) has ended.";
        return cause is null ? new RunFailedException(message) : new RunFailedException(message, cause);
    }

    public BadInputException Unreadable(string reason) =>
        new($"--attach: what process {Id} ({Name}) tells cannot be read: {reason}");

    public BadInputException WithoutEngine() => new(
        $"--attach: process {Id} ({Name}) tells nothing of an engine's memory: it has none, or no "
            + "SuperSlab.Diagnostics.Profiler.");
}
