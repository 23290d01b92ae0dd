using Samples.Benchmarks.Measuring;

namespace Samples.Benchmarks.Workloads;

/// <summary>A piece of work that all contestants do alike, and what is counted as one operation of it.</summary>
internal abstract class Workload
{
    /// <summary>What workloads that differ in their parameters only have in common; the name in JSON and on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>The parameter by which it differs from the others of its name; null when there is just one.</summary>
    public abstract string? Variant { get; }

    /// <summary>The name of this very workload, also valid on the command line.</summary>
    public string Id => Variant is null ? Name : $"{Name}-{Variant}";

    /// <summary>What one operation is, in words.</summary>
    public abstract string Operation { get; }

    /// <summary>How many operations one repetition does.</summary>
    public abstract long Operations { get; }

    /// <summary>The numbers that define the work.</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Who takes part within this process, in the order of the tables.</summary>
    public abstract IReadOnlyList<string> Contestants { get; }

    /// <summary>What it shares with other workloads that are figures of the same run; null when it is the run's only one.</summary>
    public virtual string? OneRunWith => null;

    /// <summary>Whether the memory that it takes is one of its figures.</summary>
    public virtual bool IsMemoryAsked => false;

    /// <summary>What the native driver calls the time in its output.</summary>
    public virtual string NativeTime => "nanoseconds";

    /// <summary>Whether there is something to measure without an allocator.</summary>
    public virtual bool HasEmptyLoop => true;

    /// <summary>The arguments by which the native driver does the same work. Workloads with the same arguments are figures of one run.</summary>
    /// <param name="folder">Where a file for the driver can be put; it is there until all is done.</param>
    public abstract IReadOnlyList<string> NativeArguments(string folder);

    /// <summary>Does the work in this process.</summary>
    /// <exception cref="Common.RunFailedException">The contestant is not there.</exception>
    public abstract Measurement Measure(string contestant);

    /// <summary>The <see cref="Id"/>.</summary>
    public override string ToString() => Id;
}
