using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// One method's body as the rules look at it: its operations in the order of the source, lambdas and local functions
/// included, what is written to each local and parameter, and where those are used. There is no flow analysis: a
/// variable's value is known where it is written once. What is not known is not reported.
/// </summary>
internal sealed class BodyFacts
{
    private readonly OperationBlockAnalysisContext _context;
    private readonly List<IOperation> _operations = [];
    private readonly Dictionary<ISymbol, List<IOperation>> _writes = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<ISymbol, List<IOperation>> _uses = new(SymbolEqualityComparer.Default);
    private IReadOnlyList<FrameRegion>? _regions;

    public BodyFacts(OperationBlockAnalysisContext context, EngineTypes engine)
    {
        _context = context;
        Engine = engine;
        foreach (IOperation block in context.OperationBlocks)
        {
            foreach (IOperation operation in block.DescendantsAndSelf())
            {
                _operations.Add(operation);
                Note(operation);
                UsesEngine |= operation.Type is { } type && engine.Owns(type);
            }
        }
    }

    public EngineTypes Engine { get; }

    /// <summary>Whether a value of one of the engine's types occurs.</summary>
    public bool UsesEngine { get; }

    /// <summary>The method or field.</summary>
    public ISymbol Owner => _context.OwningSymbol;

    public IReadOnlyList<FrameRegion> Regions => _regions ??= FrameRegion.Find(this);

    public IEnumerable<T> All<T>()
        where T : IOperation => _operations.OfType<T>();

    /// <summary>The one value that is written to a local or parameter; null where there are others or none. What an
    /// out argument writes is the argument.</summary>
    public IOperation? SourceOf(ISymbol variable) =>
        variable is ILocalSymbol && _writes.TryGetValue(variable, out List<IOperation>? writes) && writes.Count == 1
            ? writes[0]
            : null;

    public bool IsWritten(ISymbol variable) => _writes.ContainsKey(variable);

    /// <summary>Whether a value is written to the variable behind a place in the source.</summary>
    public bool IsWrittenAfter(ISymbol variable, int position) =>
        _writes.TryGetValue(variable, out List<IOperation>? writes)
        && writes.Exists(write => write.Syntax.SpanStart > position);

    /// <summary>Where a local or parameter is named, but for plain assignments to it.</summary>
    public IReadOnlyList<IOperation> UsesOf(ISymbol variable) =>
        _uses.TryGetValue(variable, out List<IOperation>? uses) ? uses : [];

    public void Report(DiagnosticDescriptor rule, IOperation where, params object[] message) =>
        Report(rule, where.Syntax.GetLocation(), null, message);

    /// <param name="rule">The rule.</param>
    /// <param name="where">The code that is wrong.</param>
    /// <param name="fix">What its fix is to write; null where there is none.</param>
    /// <param name="message">What stands in the message's places.</param>
    public void Report(DiagnosticDescriptor rule, Location where, string? fix, params object[] message)
    {
        ImmutableDictionary<string, string?> properties = fix is null
            ? ImmutableDictionary<string, string?>.Empty
            : ImmutableDictionary<string, string?>.Empty.Add(RuleDescriptors.FixKey, fix);
        _context.ReportDiagnostic(Diagnostic.Create(rule, where, properties, message));
    }

    private static void Add(Dictionary<ISymbol, List<IOperation>> lists, ISymbol variable, IOperation operation)
    {
        if (!lists.TryGetValue(variable, out List<IOperation>? list))
            lists[variable] = list = [];

        list.Add(operation);
    }

    private void Note(IOperation operation)
    {
        switch (operation)
        {
            case IVariableDeclaratorOperation declarator:
                IVariableInitializerOperation? initializer = declarator.GetVariableInitializer();
                if (initializer is not null)
                    Add(_writes, declarator.Symbol, initializer.Value);

                break;
            case ILocalReferenceOperation or IParameterReferenceOperation or IFieldReferenceOperation:
                NoteReference(operation);
                break;
        }
    }

    private void NoteReference(IOperation reference)
    {
        if (reference.Variable() is not { } variable)
            return;

        switch (reference.Parent)
        {
            case ISimpleAssignmentOperation { IsRef: false } assignment when assignment.Target == reference:
                Add(_writes, variable, assignment.Value);
                return;
            case IAssignmentOperation assignment when assignment.Target == reference:
            case IIncrementOrDecrementOperation:
                Add(_writes, variable, reference.Parent);
                break;
            case IArgumentOperation { Parameter.RefKind: RefKind.Ref or RefKind.Out } argument:
                Add(_writes, variable, argument);
                break;
            case IDeclarationExpressionOperation { Parent: IArgumentOperation argument }:
                Add(_writes, variable, argument);
                return;
            case ITupleOperation or IDeclarationExpressionOperation:
                Add(_writes, variable, reference.Parent);
                break;
        }

        Add(_uses, variable, reference);
    }
}
