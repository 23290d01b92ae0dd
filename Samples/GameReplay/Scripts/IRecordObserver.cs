using Samples.GameReplay.Tracing;

namespace Samples.GameReplay.Scripts;

/// <summary>Sees the records of a trace, in its order, while they are made into steps.</summary>
internal interface IRecordObserver
{
    /// <summary>A record that makes, resizes or frees a block.</summary>
    void Observe(in TraceRecord record);

    /// <summary>The threads meet here.</summary>
    void EndStep(StepScript script);
}
