using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace SuperSlab.Analyzers;

/// <summary>
/// SSE0008: a managed type as an element of a container or as what an arena allocates. The compiler refuses it too,
/// with a sentence about constraints; this one says which field is managed and what to write instead.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class ManagedTypeAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = [RuleDescriptors.ManagedType];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(static start =>
        {
            if (EngineTypes.Find(start.Compilation) is { } engine)
            {
                start.RegisterSyntaxNodeAction(node => CheckName(node, engine), SyntaxKind.GenericName);
                start.RegisterSyntaxNodeAction(node => CheckCall(node, engine), SyntaxKind.InvocationExpression);
            }
        });
    }

    /// <summary>Type arguments that are written, of a type or of a method.</summary>
    private static void CheckName(SyntaxNodeAnalysisContext context, EngineTypes engine)
    {
        GenericNameSyntax name = (GenericNameSyntax)context.Node;
        SeparatedSyntaxList<TypeSyntax> arguments = name.TypeArgumentList.Arguments;
        foreach (ISymbol symbol in Candidates(context, name))
        {
            ImmutableArray<ITypeParameterSymbol> parameters = ParametersOf(symbol);
            if (!engine.Owns(symbol) || parameters.Length != arguments.Count)
                continue;

            bool told = false;
            for (int index = 0; index < parameters.Length; index++)
            {
                if (parameters[index].HasUnmanagedTypeConstraint
                    && context.SemanticModel.GetTypeInfo(arguments[index], context.CancellationToken).Type is { } type)
                {
                    told |= Report(context, arguments[index], type);
                }
            }

            if (told)
                return;
        }
    }

    /// <summary>Type arguments that the compiler infers.</summary>
    private static void CheckCall(SyntaxNodeAnalysisContext context, EngineTypes engine)
    {
        InvocationExpressionSyntax call = (InvocationExpressionSyntax)context.Node;
        SyntaxNode name = call.Expression is MemberAccessExpressionSyntax access ? access.Name : call.Expression;
        if (name is not IdentifierNameSyntax)
            return;

        foreach (ISymbol symbol in Candidates(context, call))
        {
            if (symbol is not IMethodSymbol { IsGenericMethod: true } method || !engine.Owns(symbol))
                continue;

            for (int index = 0; index < method.TypeParameters.Length; index++)
            {
                ITypeSymbol type = method.TypeArguments[index];
                bool isInferred = !SymbolEqualityComparer.Default.Equals(type, method.TypeParameters[index]);
                if (isInferred && method.TypeParameters[index].HasUnmanagedTypeConstraint
                    && Report(context, name, type))
                {
                    return;
                }
            }
        }
    }

    private static ImmutableArray<ISymbol> Candidates(SyntaxNodeAnalysisContext context, SyntaxNode node)
    {
        SymbolInfo info = context.SemanticModel.GetSymbolInfo(node, context.CancellationToken);
        return info.Symbol is { } symbol ? [symbol] : info.CandidateSymbols;
    }

    private static ImmutableArray<ITypeParameterSymbol> ParametersOf(ISymbol symbol) => symbol switch
    {
        IMethodSymbol { MethodKind: MethodKind.Constructor } constructor => constructor.ContainingType.TypeParameters,
        IMethodSymbol method => method.TypeParameters,
        INamedTypeSymbol type => type.TypeParameters,
        _ => [],
    };

    private static bool Report(SyntaxNodeAnalysisContext context, SyntaxNode where, ITypeSymbol type)
    {
        if (ManagedParts.WhyManaged(type) is not { } reason)
            return false;

        string name = type.ToMinimalDisplayString(context.SemanticModel, where.SpanStart);
        context.ReportDiagnostic(Diagnostic.Create(
            RuleDescriptors.ManagedType, where.GetLocation(), name, reason.Why, reason.Instead));
        return true;
    }
}
