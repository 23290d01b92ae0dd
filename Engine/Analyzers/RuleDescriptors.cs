using Microsoft.CodeAnalysis;

namespace SuperSlab.Analyzers;

/// <summary>
/// What each rule is called and what it says. A message names the code that is wrong first and what to do last; the
/// page that the link names has an example of each.
/// </summary>
internal static class RuleDescriptors
{
    /// <summary>The key of a diagnostic's property that tells its fix what to write.</summary>
    public const string FixKey = "Fix";

    private const string Category = "SuperSlab";
    private const string Page = "docs/analyzers.md#";

    public static readonly DiagnosticDescriptor OpenScope = new(
        RuleIds.OpenScope,
        "A scope or a mark is not ended",
        "The {0} of '{1}' is never {2}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "What a scope begins, such as a part of a frame or a tag, goes on until the scope is disposed.",
        Page + "sse0001");

    public static readonly DiagnosticDescriptor KeptFrameMemory = new(
        RuleIds.KeptFrameMemory,
        "Memory of a frame is kept beyond its frame",
        "The '{0}' lies in a lane and ends with its frame, but is {1}; copy it, or make it in a long-lived arena",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "A later frame allocates the same memory again.",
        Page + "sse0002");

    public static readonly DiagnosticDescriptor OtherThread = new(
        RuleIds.OtherThread,
        "What belongs to one thread is used on another",
        "'{0}' belongs to the thread that took it and is {1}; take it on the thread that uses it",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "Handles of arenas, lanes and registrations of threads are one thread's.",
        Page + "sse0003");

    public static readonly DiagnosticDescriptor GrowthInFrame = new(
        RuleIds.GrowthInFrame,
        "A list may grow inside a frame",
        "'{0}.Add' may grow the list inside a frame; make room before the frame and call 'AddNoResize'",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "Growing allocates a block of twice the size and copies, in the frame that happens to need it.",
        Page + "sse0004");

    public static readonly DiagnosticDescriptor DisposedCopy = new(
        RuleIds.DisposedCopy,
        "A copy of a container is disposed",
        "'{0}' {1}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "Copies of a container share its memory; once it is disposed under one name, all others lead to freed memory.",
        Page + "sse0005");

    public static readonly DiagnosticDescriptor OtherArena = new(
        RuleIds.OtherArena,
        "A block goes back to another arena",
        "The block is allocated by '{0}' and given to '{1}'; {2}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "Only the arena that allocated a block can free it or change its size.",
        Page + "sse0006");

    public static readonly DiagnosticDescriptor OpenFrame = new(
        RuleIds.OpenFrame,
        "A frame begins and does not end",
        "'{0}' {1}",
        Category,
        DiagnosticSeverity.Warning,
        isEnabledByDefault: true,
        "A frame that has not ended makes the next one fail at its beginning.",
        Page + "sse0007");

    public static readonly DiagnosticDescriptor ManagedType = new(
        RuleIds.ManagedType,
        "A managed type stands where memory must be unmanaged",
        "'{0}' cannot lie in unmanaged memory because {1}; {2}",
        Category,
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        "The collector does not see references that lie in arenas and containers.",
        Page + "sse0008");
}
