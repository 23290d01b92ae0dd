using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// SSE0002: memory of a lane in a field of something that outlives the frame, returned out of the scope or the frame
/// that it was allocated in, or used after that scope.
/// </summary>
internal static class KeptFrameMemoryRule
{
    public static void Check(BodyFacts body)
    {
        foreach (ISimpleAssignmentOperation assignment in body.All<ISimpleAssignmentOperation>())
        {
            if (FrameMemory.OriginOf(assignment.Value, body) is not { } origin)
                continue;

            if (FieldThatOutlives(assignment.Target, body) is { } field)
                Report(body, assignment.Value, $"stored in '{field.Name}', which outlives it");
            else if (assignment.Target is ILocalReferenceOperation local)
                CheckUseAfterScope(body, local.Local, origin);
        }

        foreach (IReturnOperation result in body.All<IReturnOperation>())
        {
            if (result.ReturnedValue is { } value && FrameMemory.OriginOf(value, body) is { } origin
                && IsDeadAt(body, origin, result))
            {
                Report(body, value, "returned beyond its end");
            }
        }
    }

    private static void Report(BodyFacts body, IOperation value, string what) => body.Report(
        RuleDescriptors.KeptFrameMemory, value,
        value.Unwrapped().Type?.ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat) ?? "memory", what);

    /// <summary>
    /// The field or property that is assigned to, if it lives on: a static one, or one of a class. A struct's own
    /// fields may be a job's on the stack, and what a pointer leads to may lie in the same frame.
    /// </summary>
    private static ISymbol? FieldThatOutlives(IOperation target, BodyFacts body)
    {
        switch (target.Unwrapped())
        {
            case IFieldReferenceOperation field:
                return Outlives(field.Field, field.Instance, body) ? field.Field : null;
            case IPropertyReferenceOperation { Property.IsIndexer: false } property:
                return Outlives(property.Property, property.Instance, body) ? property.Property : null;
            case IArrayElementReferenceOperation element:
                return FieldThatOutlives(element.ArrayReference, body);
            default:
                return null;
        }
    }

    private static bool Outlives(ISymbol member, IOperation? instance, BodyFacts body) => instance?.Unwrapped() switch
    {
        null => member.IsStatic,
        IInstanceReferenceOperation { ReferenceKind: InstanceReferenceKind.ContainingTypeInstance } self =>
            self.Type is { IsReferenceType: true },
        IParameterReferenceOperation parameter => parameter.Type is { IsReferenceType: true },
        ILocalReferenceOperation local => local.Type is { IsReferenceType: true }
            && body.SourceOf(local.Local)?.Unwrapped() is IPropertyReferenceOperation or IFieldReferenceOperation,
        { } outer => FieldThatOutlives(outer, body) is not null,
    };

    private static bool IsDeadAt(BodyFacts body, IOperation origin, IOperation result) =>
        body.Regions.Any(region => region.IsUsing && Ends(region, origin, body) && region.Contains(result))
        || body.All<IInvocationOperation>().Any(call => EndsFrame(body, call)
            && call.Syntax.SpanStart > origin.Syntax.SpanStart && call.Syntax.SpanStart < result.Syntax.SpanStart
            && call.Function() == result.Function() && call.Block() is { } block && result.IsInside(block));

    private static bool EndsFrame(BodyFacts body, IInvocationOperation call) =>
        call.TargetMethod.Name == "EndFrame"
            ? EngineTypes.Is(call.TargetMethod.ContainingType, body.Engine.GameFrames)
            : call.TargetMethod.Name == "NextFrame"
                && EngineTypes.Is(call.TargetMethod.ContainingType, body.Engine.FrameArena);

    private static bool Ends(FrameRegion region, IOperation origin, BodyFacts body) =>
        region.Contains(origin) && (region.Lane is null || region.Lane == FrameMemory.LaneOf(origin, body));

    private static void CheckUseAfterScope(BodyFacts body, ILocalSymbol local, IOperation origin)
    {
        // An address as a number may be compared with a later one.
        if (local.Type.SpecialType != SpecialType.None || local.DeclaringSyntaxReferences.Length != 1)
            return;

        int declared = local.DeclaringSyntaxReferences[0].Span.Start;
        FrameRegion? region = body.Regions.FirstOrDefault(one =>
            one.IsUsing && declared < one.Start && Ends(one, origin, body));
        if (region is null)
            return;

        IOperation? use = body.UsesOf(local).FirstOrDefault(one => one.Syntax.SpanStart > region.End);
        if (use is not null && !body.IsWrittenAfter(local, region.End))
            Report(body, use, "used after its scope");
    }
}
