using System.Runtime.Versioning;
using Samples.Common;

namespace Engine.Tests.Samples;

/// <summary>What a sample writes is there as a whole, or what was there before is.</summary>
internal sealed class OutputFileTests
{
    private string _folder = null!;

    private string Path => System.IO.Path.Combine(_folder, "results.json");

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("outputs").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_write_that_fails_leaves_the_file_of_before_and_nothing_else()
    {
        File.WriteAllText(Path, "before");
        Assert.That(
            () => OutputFile.Write(Path, to =>
            {
                to.Write("half of it"u8);
                to.Flush();
                Assert.That(File.ReadAllText(Path), Is.EqualTo("before"), "a reader meanwhile");
                throw new IOException("the disk is full");
            }),
            Throws.TypeOf<IOException>().With.Message.EqualTo("the disk is full"));
        Assert.That(File.ReadAllText(Path), Is.EqualTo("before"));
        Assert.That(Directory.GetFileSystemEntries(_folder), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_new_file_and_an_old_one_are_written()
    {
        OutputFile.Write(Path, "first");
        Assert.That(File.ReadAllText(Path), Is.EqualTo("first"));
        OutputFile.Write(Path, "2");
        Assert.That(File.ReadAllText(Path), Is.EqualTo("2"));
        Assert.That(Directory.GetFileSystemEntries(_folder), Has.Length.EqualTo(1));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void The_file_that_a_link_leads_to_is_replaced_with_its_permissions()
    {
        string target = System.IO.Path.Combine(_folder, "target");
        File.WriteAllText(target, "before");
        File.SetUnixFileMode(target, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(Path, target);
        OutputFile.Write(Path, "after");
        Assert.That(File.ReadAllText(target), Is.EqualTo("after"));
        Assert.That(File.GetUnixFileMode(target) & UnixFileMode.UserExecute, Is.Not.Zero);
        Assert.That(File.ResolveLinkTarget(Path, returnFinalTarget: false)!.FullName, Is.EqualTo(target));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void A_device_is_written_to_and_not_replaced()
    {
        OutputFile.Write("/dev/null", "gone");
        Assert.That(File.Exists("/dev/null"));
        Assert.That(new FileInfo("/dev/null").Length, Is.Zero);
    }
}
