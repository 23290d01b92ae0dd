using System.Diagnostics.Metrics;

namespace SuperSlab.Diagnostics;

/// <summary>
/// The memory's numbers as instruments of System.Diagnostics.Metrics, for OpenTelemetry and the .NET tools, by
/// OpenTelemetry's conventions for names, units and attributes.
/// <code>
/// using MemoryMeter meter = new(memory);      // OpenTelemetry: .AddMeter(MemoryMeter.Name)
/// </code>
/// </summary>
/// <remarks>
/// Instruments are observed: they cost nothing until a listener collects. Its thread then takes one snapshot, which
/// all instruments of the collection share. <see cref="ProfileTable"/> lists them. Made at start-up; any thread.
/// </remarks>
public sealed class MemoryMeter : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string Name = "SuperSlab";

    private static readonly TimeSpan s_shared = TimeSpan.FromMilliseconds(50);

    private readonly EngineMemory _memory;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private readonly Meter _meter = new(Name);
    private byte[] _room = [];
    private ProfileDocument? _state;
    private long _taken;
    private bool _disposed;

    /// <summary>Makes the instruments.</summary>
    /// <param name="memory">Their source; once it is disposed they have no values.</param>
    /// <param name="timeProvider">The clock that ends a collection's snapshot; null takes the system's.</param>
    public MemoryMeter(EngineMemory memory, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        _clock = timeProvider ?? TimeProvider.System;
        var instruments =
            from table in ProfileTable.All
            from column in table.Columns
            where column.Metric is not null
            group (table, column) by column.Metric!.Name;
        try
        {
            foreach (IGrouping<string, (ProfileTable, ProfileTable.Column)> sources in instruments)
                Add([.. sources]);
        }
        catch
        {
            // A listener hears of each instrument at once, and may throw.
            _meter.Dispose();
            throw;
        }
    }

    /// <summary>Removes the instruments. A second call does nothing.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _state = null;
        }

        _meter.Dispose();
    }

    private static List<Measurement<long>> Measure(
        ProfileDocument? state, (ProfileTable Table, ProfileTable.Column Column)[] sources)
    {
        List<Measurement<long>> values = [];
        foreach ((ProfileTable table, ProfileTable.Column column) in sources)
        {
            for (int row = 0; state is not null && row < table.RowCount(state); row++)
            {
                if (column.Number(state, row) is { } value)
                    values.Add(new Measurement<long>(value, Attributes(state, table, row, column)));
            }
        }

        return values;
    }

    private static List<KeyValuePair<string, object?>> Attributes(
        ProfileDocument state, ProfileTable table, int row, ProfileTable.Column column)
    {
        List<KeyValuePair<string, object?>> attributes = [];
        if (table.MetricAttribute is not null)
            attributes.Add(new(table.MetricAttribute, table.Columns[0].Text(state, row)));

        if (column.Metric?.Attribute is var (name, value))
            attributes.Add(new(name, value));

        return attributes;
    }

    private void Add((ProfileTable Table, ProfileTable.Column Column)[] sources)
    {
        ProfileTable.Metric metric = sources[0].Column.Metric!;
        if (metric.IsTotal)
            _meter.CreateObservableCounter(metric.Name, Observe, metric.Unit, metric.Description);
        else
            _meter.CreateObservableUpDownCounter(metric.Name, Observe, metric.Unit, metric.Description);

        IEnumerable<Measurement<long>> Observe() => Measure(State(), sources);
    }

    /// <summary>The snapshot of this collection; null once there is nothing to observe.</summary>
    private ProfileDocument? State()
    {
        lock (_lock)
        {
            // A collection must not throw because the memory is gone.
            if (_disposed || !_memory.Work.TryEnter(out WorkGate.Entry work, marks: false))
                return null;

            using (work)
            {
                if (_state is null || _clock.GetElapsedTime(_taken) > s_shared)
                {
                    _state = ProfileDocument.OfState(MemorySnapshot.Take(_memory, ref _room));
                    _taken = _clock.GetTimestamp();
                }

                return _state;
            }
        }
    }
}
