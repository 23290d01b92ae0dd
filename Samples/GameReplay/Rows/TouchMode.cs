namespace Samples.GameReplay.Rows;

/// <summary>What is written into blocks.</summary>
internal enum TouchMode
{
    /// <summary>The first 4 KiB at most, and the last byte.</summary>
    First,

    /// <summary>A byte in each page, and the last one.</summary>
    Pages,

    /// <summary>Every byte.</summary>
    All,

    /// <summary>Every byte, with a pattern that is looked for later.</summary>
    Verify,
}
