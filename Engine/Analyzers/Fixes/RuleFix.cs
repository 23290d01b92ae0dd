using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;

namespace SuperSlab.Analyzers;

/// <summary>A fix that changes one document. The rule tells by a property of its diagnostic what there is to write;
/// without that property there is no fix.</summary>
public abstract class RuleFix : CodeFixProvider
{
    private readonly string _title;

    private protected RuleFix(string rule, string title)
    {
        _title = title;
        FixableDiagnosticIds = [rule];
    }

    /// <inheritdoc/>
    public sealed override ImmutableArray<string> FixableDiagnosticIds { get; }

    /// <inheritdoc/>
    public sealed override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public sealed override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        SyntaxNode? root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        SemanticModel? model =
            await context.Document.GetSemanticModelAsync(context.CancellationToken).ConfigureAwait(false);
        if (root is null || model is null)
            return;

        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            SyntaxNode node = root.FindNode(diagnostic.Location.SourceSpan, getInnermostNodeForTie: true);
            diagnostic.Properties.TryGetValue(RuleDescriptors.FixKey, out string? what);
            if (Fix(root, node, what, model) is not { } changed)
                continue;

            context.RegisterCodeFix(
                CodeAction.Create(
                    _title, _ => Task.FromResult(context.Document.WithSyntaxRoot(changed)), diagnostic.Id),
                diagnostic);
        }
    }

    /// <summary>The document's root with the fix; null where it has none.</summary>
    /// <param name="root">The root.</param>
    /// <param name="node">The code that the rule reported.</param>
    /// <param name="what">What the rule says about the fix.</param>
    /// <param name="model">The meaning of the code.</param>
    private protected abstract SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model);
}
