using System.Runtime.InteropServices;

namespace Engine.Tests.Os;

/// <summary>
/// Runs code in a thread of its own in which the kernel refuses some calls of madvise (seccomp), as containers and
/// sandboxes do. The filter ends with the thread.
/// </summary>
internal static unsafe class SystemCallFilter
{
    private const int SetNoNewPrivileges = 38;
    private const int SetFilter = 22;
    private const int Filter = 2;
    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort Return = 0x06;
    private const uint Allow = 0x7fff0000;
    private const uint FailWith = 0x00050000;
    private const uint ThirdArgument = 32; // struct seccomp_data: number, architecture, address, six arguments

    /// <summary>Runs the code where madvise fails with an error.</summary>
    /// <param name="errno">The error.</param>
    /// <param name="advice">The advice that is refused; null refuses all.</param>
    /// <param name="code">What runs.</param>
    public static void RefuseMadvise(int errno, int? advice, Action code)
    {
        Assume.That(OperatingSystem.IsLinux(), "seccomp is Linux's");
        uint? number = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 28,
            Architecture.Arm64 => 233,
            _ => null,
        };
        Assume.That(number, Is.Not.Null, "the number of madvise is not known for this processor");
        Instruction[] program = advice is null
            ?
            [
                new(LoadWord, 0, 0, 0), new(JumpIfEqual, 0, 1, number!.Value),
                new(Return, 0, 0, FailWith | (uint)errno), new(Return, 0, 0, Allow),
            ]
            :
            [
                new(LoadWord, 0, 0, 0), new(JumpIfEqual, 0, 3, number!.Value), new(LoadWord, 0, 0, ThirdArgument),
                new(JumpIfEqual, 0, 1, (uint)advice), new(Return, 0, 0, FailWith | (uint)errno),
                new(Return, 0, 0, Allow),
            ];
        InThread(() =>
        {
            fixed (Instruction* instructions = program)
            {
                ProgramHeader header = new() { Length = (ushort)program.Length, Instructions = instructions };
                bool isInstalled = prctl(SetNoNewPrivileges, 1, 0, 0, 0) == 0
                    && prctl(SetFilter, Filter, (nint)(&header), 0, 0) == 0;
                Assume.That(isInstalled, "the kernel takes no seccomp filter here");
            }

            code();
        });
    }

    /// <summary>Runs the code where a folder is empty, in a mount namespace of its own (needs root).</summary>
    public static void HideFolder(string folder, Action code)
    {
        const int NewMounts = 0x20000;
        const int PrivateAndBelow = 0x44000;
        Assume.That(OperatingSystem.IsLinux(), "mount namespaces are Linux's");
        InThread(() =>
        {
            bool isHidden = unshare(NewMounts) == 0
                && mount("none", "/", null, PrivateAndBelow, 0) == 0 && mount("none", folder, "tmpfs", 0, 0) == 0;
            Assume.That(isHidden, "no mount namespace can be made here; it takes root");
            code();
        });
    }

    private static void InThread(Action code)
    {
        Exception? thrown = null;
        Thread thread = new(() =>
        {
            try
            {
                code();
            }
            catch (Exception exception)
            {
                thrown = exception;
            }
        });
        thread.Start();
        thread.Join();
        if (thrown is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(thrown);
    }

#pragma warning disable SA1300 // the names are the C library's
    [DllImport("libc")]
    private static extern int prctl(int option, nint second, nint third, nint fourth, nint fifth);

    [DllImport("libc")]
    private static extern int unshare(int flags);

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int mount(string source, string target, string? type, nuint flags, nint data);
#pragma warning restore SA1300

    private readonly record struct Instruction(ushort Code, byte IfTrue, byte IfFalse, uint Value);

    private struct ProgramHeader
    {
        public ushort Length;
        public Instruction* Instructions;
    }
}
