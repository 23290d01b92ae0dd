namespace Engine.Tests.Os;

/// <summary>A setting of the kernel, changed for one test and put back. The test is skipped where that is not
/// permitted.</summary>
internal sealed class SystemSetting : IDisposable
{
    private readonly string _path;
    private readonly string _before;

    public SystemSetting(string path, string value)
    {
        _path = path;
        string before = string.Empty;
        try
        {
            before = File.ReadAllText(path).Trim();
            File.WriteAllText(path, value);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Assume.That(false, $"{path} cannot be changed here: {exception.Message}");
        }

        // "always [madvise] never" is read, and "madvise" is written.
        int start = before.IndexOf('[');
        _before = start < 0 ? before : before[(start + 1)..before.IndexOf(']')];
    }

    public static SystemSetting HugePageCount(int count) =>
        new("/proc/sys/vm/nr_hugepages", count.ToString(provider: null));

    public static SystemSetting TransparentHugePages(string value) =>
        new("/sys/kernel/mm/transparent_hugepage/enabled", value);

    public void Dispose() => File.WriteAllText(_path, _before);
}
