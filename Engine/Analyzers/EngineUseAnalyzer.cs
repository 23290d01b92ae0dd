using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace SuperSlab.Analyzers;

/// <summary>
/// The rules about what code does with the engine, SSE0001 to SSE0007. Each is a class in Rules/ that looks at one
/// method at a time. Does nothing where SuperSlab.Engine is not referenced, or in methods that do not use it.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class EngineUseAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
    [
        RuleDescriptors.OpenScope,
        RuleDescriptors.KeptFrameMemory,
        RuleDescriptors.OtherThread,
        RuleDescriptors.GrowthInFrame,
        RuleDescriptors.DisposedCopy,
        RuleDescriptors.OtherArena,
        RuleDescriptors.OpenFrame,
    ];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(static start =>
        {
            if (EngineTypes.Find(start.Compilation) is { } engine)
                start.RegisterOperationBlockAction(block => Check(new BodyFacts(block, engine)));
        });
    }

    private static void Check(BodyFacts body)
    {
        if (!body.UsesEngine)
            return;

        OpenScopeRule.Check(body);
        KeptFrameMemoryRule.Check(body);
        OtherThreadRule.Check(body);
        GrowthInFrameRule.Check(body);
        DisposedCopyRule.Check(body);
        OtherArenaRule.Check(body);
        OpenFrameRule.Check(body);
    }
}
