using Samples.Common;

namespace Samples.GameReplay.Tracing;

/// <summary>A trace breaks a rule of the format; the message names the trace, the record, the byte and the rule.</summary>
internal sealed class TraceFormatException(string message) : BadInputException(message);
