namespace Engine.Platform;

/// <summary>One way of putting physical pages behind a range: which pages, by which policy. Never Automatic.</summary>
internal readonly record struct PrefaultStep(PageKind Pages, PrefaultPolicy Policy);
