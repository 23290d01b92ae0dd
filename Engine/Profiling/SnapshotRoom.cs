namespace Engine.Profiling;

/// <summary>Room for snapshots that are taken again and again, kept from one to the next. One thread at a time.</summary>
internal sealed class SnapshotRoom
{
    private byte[] _room = [];

    /// <summary>Takes a snapshot, which is valid until the next.</summary>
    public MemorySnapshot Take(EngineMemory memory, bool asksSystem = false)
    {
        MemorySnapshot snapshot;
        while (!MemorySnapshot.TryTake(memory, _room, out snapshot, out int needed, asksSystem))
        {
            // Threads may need somewhat more by then.
            _room = new byte[needed + (needed / 4)];
        }

        return snapshot;
    }
}
