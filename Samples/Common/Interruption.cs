// What Ctrl+C does to a run that can end early.
using System.Runtime.InteropServices;

namespace Samples.Common;

/// <summary>
/// Ctrl+C or a request to end: the first is asked for by the run, which then finishes and writes what it has; a second
/// one ends the process as ever. One at a time.
/// </summary>
public sealed class Interruption : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private volatile bool _isRequested;

    public Interruption()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Hear),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Hear),
        ];
    }

    /// <summary>Whether the run should finish. Any thread; hot-loop safe.</summary>
    public bool IsRequested => _isRequested;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private void Hear(PosixSignalContext signal)
    {
        signal.Cancel = !_isRequested;
        _isRequested = true;
    }
}
