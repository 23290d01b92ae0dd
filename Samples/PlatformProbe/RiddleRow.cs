namespace PlatformProbe;

/// <summary>One form of asking for MAP_POPULATE, and what it left to be faulted in.</summary>
internal sealed record RiddleRow(string Form, double MicrosecondsPerMebibyte, long FaultsLeft, long Pages, string Meaning);
