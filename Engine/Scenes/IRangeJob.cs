namespace Engine.Scenes;

/// <summary>Work on a range of items, done by the workers of a <see cref="WorkerPool"/> at the same time. Implemented by a struct.</summary>
public interface IRangeJob
{
    /// <summary>
    /// Does the items from <paramref name="start"/> up to but not including <paramref name="end"/>. An empty range may come, from
    /// <see cref="WorkerPool.Prepare{TJob}"/>. All workers call it on the same struct.
    /// </summary>
    /// <param name="start">The first item.</param>
    /// <param name="end">The item after the last.</param>
    /// <param name="worker">Who calls: 0 is the thread that dispatched. The number of the worker's frame lane.</param>
    void Execute(int start, int end, int worker);
}
