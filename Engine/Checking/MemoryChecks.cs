namespace Engine.Checking;

/// <summary>How closely arenas watch their use. Chosen when the memory is made, without another build; the code that uses arenas stays the same.</summary>
public enum MemoryChecks
{
    /// <summary><see cref="Full"/> in a Debug build of the application, <see cref="Off"/> otherwise.</summary>
    Automatic,

    /// <summary>What costs nothing: foreign addresses, another arena's blocks, a block freed twice in a row. The fast path has no instruction more.</summary>
    Off,

    /// <summary>
    /// Cheap enough to ship: besides, each free is checked to be the beginning of a block that is out, and a block that was freed already
    /// is found whichever thread or run holds it by then. Allocating costs nothing more.
    /// </summary>
    Hardened,

    /// <summary>
    /// For development: fill patterns, red zones, guard pages, quarantine, and each block's history, so that messages say who allocated
    /// and who freed. Every call goes through a lock and a table of managed memory: not for the hot loop.
    /// </summary>
    Full,
}
