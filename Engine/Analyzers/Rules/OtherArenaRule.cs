using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>SSE0006: a block that is freed or resized by an arena that did not allocate it, where both are known.
/// </summary>
internal static class OtherArenaRule
{
    private const int MaximumSteps = 16;

    public static void Check(BodyFacts body)
    {
        foreach (IInvocationOperation call in body.All<IInvocationOperation>())
        {
            if (call is not { TargetMethod.Name: "Free" or "Reallocate", Instance: { } instance }
                || !IsArena(body, call.TargetMethod.ContainingType)
                || OwnerOfBlock(body, call.Arguments.First()) is not { } owner
                || OwnerNamed(body, instance) is not { } other || !AreDifferent(owner, other))
            {
                continue;
            }

            string fix = owner.IsLane ? "" : owner.Text;
            body.Report(
                RuleDescriptors.OtherArena, call.Syntax.GetLocation(), fix, owner.Text, other.Text,
                owner.IsLane ? "memory of a lane ends with its frame and is freed by nobody"
                    : $"give it to '{owner.Text}'");
        }
    }

    private static bool IsArena(BodyFacts body, ITypeSymbol type) =>
        EngineTypes.Is(type, body.Engine.Arena) || EngineTypes.Is(type, body.Engine.SmallArena)
        || EngineTypes.Is(type, body.Engine.ArenaHandle) || EngineTypes.Is(type, body.Engine.ArenaRef);

    private static ArenaName? OwnerOfBlock(BodyFacts body, IOperation? block, int steps = MaximumSteps)
    {
        if (block is null || steps == 0)
            return null;

        block = block.Unwrapped();
        return block switch
        {
            // TryAllocate's out argument.
            IArgumentOperation { Parent: IInvocationOperation call } => OwnerOfBlock(body, call, steps - 1),
            IInvocationOperation { Instance: { } instance } call when call.TargetMethod.Name is "Allocate"
                or "AllocateZeroed" or "AllocateSpan" or "AllocateSpan2D" or "TryAllocate" or "Reallocate"
                && (IsArena(body, call.TargetMethod.ContainingType)
                    || EngineTypes.Is(call.TargetMethod.ContainingType, body.Engine.Lane)) =>
                OwnerNamed(body, instance),
            ILocalReferenceOperation local => OwnerOfBlock(body, body.SourceOf(local.Local), steps - 1),
            _ => null,
        };
    }

    /// <summary>The arena that an expression names, through handles, references and locals that are written once.
    /// </summary>
    private static ArenaName? OwnerNamed(BodyFacts body, IOperation? arena, int steps = MaximumSteps)
    {
        if (arena is null || steps == 0)
            return null;

        arena = arena.Unwrapped();
        if (EngineTypes.Is(arena.Type, body.Engine.Lane) || FrameMemory.IsLane(arena, body))
            return new ArenaName(arena.Text(), null, null, isNew: false, isLane: true);

        switch (arena)
        {
            case IInvocationOperation { TargetMethod.Name: "GetHandle", Instance: { } instance }:
                return OwnerNamed(body, instance, steps - 1);
            case ILocalReferenceOperation local when body.SourceOf(local.Local) is { } source:
                return IsMaking(source.Unwrapped())
                    ? new ArenaName(local.Local.Name, local.Local, local.Type, isNew: true, isLane: false)
                    : OwnerNamed(body, source, steps - 1);
            case IParameterReferenceOperation parameter when !body.IsWritten(parameter.Parameter):
                return new ArenaName(arena.Text(), parameter.Parameter, arena.Type, isNew: false, isLane: false);
            case IFieldReferenceOperation field when field.Variable() is { } variable && !body.IsWritten(variable):
                return new ArenaName(arena.Text(), variable, arena.Type, isNew: false, isLane: false);
            default:
                return null;
        }
    }

    private static bool IsMaking(IOperation source) =>
        source is IInvocationOperation { TargetMethod.Name: "CreateLongLivedArena" or "CreateArena" };

    /// <summary>
    /// Whether two names cannot be one arena's: one of them was made here, one is a lane, their kinds differ, or both
    /// are fields or both parameters of an arena's own type. A handle or a reference may be any arena's.
    /// </summary>
    private static bool AreDifferent(ArenaName owner, ArenaName other)
    {
        if (owner.IsLane || other.IsLane)
            return owner.IsLane != other.IsLane;

        if (owner.Symbol!.Mentions(other.Symbol))
            return false;

        return owner.IsNew || other.IsNew
            || (owner.Symbol!.Kind == other.Symbol!.Kind && owner.Type is { Name: "LongLivedArena" or "SmallArena" }
                && other.Type is { Name: "LongLivedArena" or "SmallArena" });
    }

    private sealed class ArenaName(string text, ISymbol? symbol, ITypeSymbol? type, bool isNew, bool isLane)
    {
        public string Text => text;

        public ISymbol? Symbol => symbol;

        public ITypeSymbol? Type => type;

        public bool IsNew => isNew;

        public bool IsLane => isLane;
    }
}
