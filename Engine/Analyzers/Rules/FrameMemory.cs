using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>Follows values back to where they were allocated, and tells whether that was in a frame's lane.</summary>
internal static class FrameMemory
{
    private const int MaximumSteps = 16;

    /// <summary>
    /// The allocation or the making of a container in a lane that a pointer, span or container comes from; null where
    /// it comes from elsewhere, or nobody knows.
    /// </summary>
    public static IOperation? OriginOf(IOperation? value, BodyFacts body, int steps = MaximumSteps)
    {
        if (value is null || steps == 0)
            return null;

        value = value.Unwrapped();
        return value switch
        {
            IInvocationOperation call when IsAllocation(call, body) => call,
            IInvocationOperation { Instance: { } instance } call when IsView(call.Type, body)
                && IsView(instance.Type, body) => OriginOf(instance, body, steps - 1),
            IObjectCreationOperation made when IsMadeInLane(made, body) => made,
            IObjectCreationOperation made when body.Engine.IsSpan(made.Type) =>
                OriginOf(made.Arguments.First(), body, steps - 1),
            IImplicitIndexerReferenceOperation slice when body.Engine.IsSpan(slice.Type) =>
                OriginOf(slice.Instance, body, steps - 1),
            IBinaryOperation { Type.TypeKind: TypeKind.Pointer } sum =>
                OriginOf(sum.LeftOperand, body, steps - 1) ?? OriginOf(sum.RightOperand, body, steps - 1),
            IConditionalOperation choice =>
                OriginOf(choice.WhenTrue, body, steps - 1) ?? OriginOf(choice.WhenFalse, body, steps - 1),
            ILocalReferenceOperation local => OriginOf(body.SourceOf(local.Local), body, steps - 1),
            _ => null,
        };
    }

    /// <summary>The code of the lane that an allocation was made in.</summary>
    public static string LaneOf(IOperation origin, BodyFacts body)
    {
        IOperation? lane = origin switch
        {
            IInvocationOperation { Instance: { } instance } => instance,
            IInvocationOperation call => call.Arguments.First(),
            IObjectCreationOperation made => made.Arguments.First(),
            _ => null,
        };
        lane = lane?.Unwrapped();
        bool isReference = EngineTypes.Is(lane?.Type, body.Engine.ArenaRef);
        if (isReference && lane is ILocalReferenceOperation local && body.SourceOf(local.Local) is { } source)
            lane = source.Unwrapped();

        return lane?.Text() ?? "";
    }

    /// <summary>Whether a value is a lane, or names one as an ArenaRef.</summary>
    public static bool IsLane(IOperation? value, BodyFacts body, int steps = MaximumSteps)
    {
        if (value is null || steps == 0)
            return false;

        value = value.Unwrapped();
        return EngineTypes.Is(value.Type, body.Engine.Lane)
            || (value is ILocalReferenceOperation local && EngineTypes.Is(local.Type, body.Engine.ArenaRef)
                && IsLane(body.SourceOf(local.Local), body, steps - 1));
    }

    private static bool IsAllocation(IInvocationOperation call, BodyFacts body)
    {
        string name = call.TargetMethod.Name;
        INamedTypeSymbol type = call.TargetMethod.ContainingType;
        return name == "InLanes" ? EngineTypes.Is(type, body.Engine.Stream)
            : name is "Allocate" or "AllocateZeroed" or "AllocateSpan" or "AllocateSpan2D" or "Reallocate"
                && (EngineTypes.Is(type, body.Engine.Lane)
                    || (EngineTypes.Is(type, body.Engine.ArenaRef) && IsLane(call.Instance, body)));
    }

    private static bool IsMadeInLane(IObjectCreationOperation made, BodyFacts body) =>
        (body.Engine.IsContainer(made.Type) || made.Type?.Name is "ArenaBufferWriter" or "ArenaMemoryPool")
        && body.Engine.Owns(made.Type!) && IsLane(made.Arguments.First(), body);

    /// <summary>Whether values of the type lead to memory that they do not own: pointers, spans, containers and their
    /// views.</summary>
    private static bool IsView(ITypeSymbol? type, BodyFacts body) =>
        type is not null && (type.TypeKind == TypeKind.Pointer || body.Engine.IsSpan(type)
            || body.Engine.IsContainer(type)
            || (type.IsValueType && type.Name is "ReadOnlyElements" or "ParallelWriter" or "ReadOnly"
                && body.Engine.Owns(type)));
}
