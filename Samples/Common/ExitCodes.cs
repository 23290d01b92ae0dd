namespace Samples.Common;

/// <summary>How a sample ends; scripts and the build's own checks read these.</summary>
public static class ExitCodes
{
    /// <summary>All that was asked for was done, and what must hold held.</summary>
    public const int Success = 0;

    /// <summary>Something that must hold did not, or the run could not be finished.</summary>
    public const int Failure = 1;

    /// <summary>The options or the input file were wrong; nothing was measured.</summary>
    public const int BadInput = 2;
}
