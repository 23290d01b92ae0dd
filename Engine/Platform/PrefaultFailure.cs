namespace Engine.Platform;

/// <summary>Why a step did not work.</summary>
/// <param name="Reason">A clause for the chain that the user reads: "madvise(MADV_HUGEPAGE): Invalid argument (22)".</param>
/// <param name="IsLasting">True: it will never work here, do not try again. False: it may work another time (a pool was dry).</param>
internal readonly record struct PrefaultFailure(string Reason, bool IsLasting);
