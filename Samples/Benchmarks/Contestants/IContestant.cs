namespace Samples.Benchmarks.Contestants;

/// <summary>An allocator that takes part, shared by all threads.</summary>
/// <typeparam name="TAllocator">Its way in for one thread.</typeparam>
internal interface IContestant<TAllocator>
    where TAllocator : allows ref struct
{
    /// <summary>The way in for the calling thread.</summary>
    TAllocator Open();
}
