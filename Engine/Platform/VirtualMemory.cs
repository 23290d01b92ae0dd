using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// The operating system's memory as five verbs. Each public verb checks its arguments once and counts itself;
/// the protected one beside it is the operating system's own. Addresses and sizes are multiples of the page size.
///
///   reserved  --Commit-->  committed  --Prefault-->  resident
///      ^                       |                        |
///      +------Decommit---------+------------------------+          Release: back to unmapped, from any state
///
/// Pre- and postconditions:
///   Reserve   post: inaccessible address space, aligned as asked, no memory charged
///   Commit    pre: reserved.   post: readable and writable, zero, not resident
///   Prefault  pre: committed.  post: contents kept; a write to any page takes no fault (unless the policy lied: see Prefaulter)
///   Decommit  pre: committed.  post: contents gone, resident memory lower at once, inaccessible
///   Release   pre: a whole reservation. post: the addresses belong to nobody
/// </summary>
internal abstract class VirtualMemory
{
}
