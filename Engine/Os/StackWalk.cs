using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Walks the calling thread's stack: the return addresses of its callers, by the chain of frame pointers. Takes no
/// managed memory, and none of the system's calls but for <see cref="FindStack"/>, once a thread. A plain value, for
/// native tables; <see cref="Free"/> it once.
/// </summary>
/// <remarks>
/// The JIT and the ahead-of-time compiler keep the chain whole in what they compile for Linux, and C# cannot read the
/// register that it begins in: two instructions in a page of their own do. Libraries without frame pointers may leave
/// any value in it, so the walk reads nothing but the part of the thread's stack that is in use, and nothing on a stack
/// that is not the thread's; <see cref="CallSites"/>, which shows the addresses, checks that they follow a call.
/// </remarks>
internal unsafe struct StackWalk
{
    private const int ProtectReadExecute = 5;
    private const nuint PageBytes = 4096; // the system rounds up

    // Copies of RuntimeInformation, which is no part of a walk. Signed return addresses carry marks in the upper bits.
    private nuint _addressMask;
    private delegate* unmanaged[Cdecl, SuppressGCTransition]<nuint> _framePointer;
    private StackBounds _bounds;

    public readonly bool IsPresent => _framePointer != null;

    /// <summary>Makes the instructions. At level load.</summary>
    /// <param name="context">Where the system's functions are found.</param>
    /// <param name="reason">Why there is no walk; empty where there is one.</param>
    public static StackWalk Create(INativeContext context, out string reason)
    {
        if (!ThisPlatform.IsLinux)
        {
            reason = "call stacks are walked on Linux only";
            return default;
        }

        reason = "";
        ReadOnlySpan<byte> code = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => [0x48, 0x89, 0xE8, 0xC3], // mov rax, rbp; ret
            Architecture.Arm64 => [0xE0, 0x03, 0x1D, 0xAA, 0xC0, 0x03, 0x5F, 0xD6], // mov x0, x29; ret
            _ => [],
        };
        StackBounds bounds = StackBounds.Find(context);
        nint page = code.IsEmpty || !bounds.IsPresent ? 0 : MakeCode(context, code);
        if (page == 0)
        {
            reason = code.IsEmpty ? "call stacks are walked on x64 and arm64 only"
                : bounds.IsPresent ? "the system refused a page for two instructions"
                : "the C library does not tell where a thread's stack ends";
            return default;
        }

        return new StackWalk
        {
            _addressMask = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? ((nuint)1 << 48) - 1
                : nuint.MaxValue,
            _framePointer = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nuint>)page,
            _bounds = bounds,
        };
    }

    /// <summary>Where the calling thread's stack lies; zeros where it is not known. Asks the system.</summary>
    public readonly (nuint Start, nuint End) FindStack()
    {
        (nuint address, nuint bytes) = IsPresent ? _bounds.OfThisThread() : default;
        return (address, address + bytes);
    }

    /// <summary>Writes the return addresses of the callers, the innermost first.</summary>
    /// <param name="start">Where the thread's stack begins, of <see cref="FindStack"/>.</param>
    /// <param name="end">Where it ends.</param>
    /// <param name="to">Room for them.</param>
    /// <param name="most">How many there is room for.</param>
    /// <returns>How many there are.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly int Run(nuint start, nuint end, nuint* to, int most)
    {
        const nuint RecordBytes = 16; // the caller's frame pointer, and the return address
        nuint here;
        nuint lowest = (nuint)(&here);
        if (!IsPresent || lowest < start || lowest >= end)
            return 0;

        nuint frame = _framePointer();
        int count = 0;
        while (count < most && frame >= lowest && frame % (nuint)sizeof(nuint) == 0 && frame + RecordBytes <= end)
        {
            nuint* record = (nuint*)frame;
            to[count] = record[1] & _addressMask;
            if (to[count] == 0)
                break;

            count++;
            lowest = frame + RecordBytes;
            frame = record[0];
        }

        return count;
    }

    /// <summary>Gives the instructions' page back. No thread walks meanwhile.</summary>
    public void Free(INativeContext context)
    {
        var munmap = (delegate* unmanaged<nint, nuint, int>)context.Find("munmap");
        if (IsPresent && munmap != null)
            _ = munmap((nint)_framePointer, PageBytes);

        _framePointer = null;
    }

    /// <summary>A page with the instructions, which can no longer be written; 0 where the system refuses.</summary>
    private static nint MakeCode(INativeContext context, ReadOnlySpan<byte> code)
    {
        const int Private = PosixConstants.MapPrivate;
        var mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)context.Find("mmap");
        var mprotect = (delegate* unmanaged<nint, nuint, int, int>)context.Find("mprotect");
        var munmap = (delegate* unmanaged<nint, nuint, int>)context.Find("munmap");
        if (mmap == null || mprotect == null || munmap == null)
            return 0;

        int anonymous = Private | PosixConstants.Linux.MapAnonymous;
        nint page = mmap(0, PageBytes, PosixConstants.ProtectReadWrite, anonymous, -1, 0);
        if (page is 0 or -1)
            return 0;

        code.CopyTo(new Span<byte>((void*)page, code.Length));
        if (mprotect(page, PageBytes, ProtectReadExecute) == 0)
            return page;

        _ = munmap(page, PageBytes);
        return 0;
    }
}

/// <summary>The functions that tell where a thread's stack lies, of the C libraries that have them.</summary>
internal readonly unsafe struct StackBounds
{
    private readonly delegate* unmanaged<nint> _self;
    private readonly delegate* unmanaged<nint, void*, int> _attributes;
    private readonly delegate* unmanaged<void*, nuint*, nuint*, int> _getStack;
    private readonly delegate* unmanaged<void*, int> _destroy;

    private StackBounds(INativeContext context)
    {
        _self = (delegate* unmanaged<nint>)context.Find("pthread_self");
        _attributes = (delegate* unmanaged<nint, void*, int>)context.Find("pthread_getattr_np");
        _getStack = (delegate* unmanaged<void*, nuint*, nuint*, int>)context.Find("pthread_attr_getstack");
        _destroy = (delegate* unmanaged<void*, int>)context.Find("pthread_attr_destroy");
    }

    public bool IsPresent => _self != null && _attributes != null && _getStack != null && _destroy != null;

    public static StackBounds Find(INativeContext context) => new(context);

    /// <summary>The calling thread's stack; zeros where it is not known.</summary>
    public (nuint Address, nuint Bytes) OfThisThread()
    {
        const int AttributeBytes = 256; // pthread_attr_t has 56 to 64
        nuint address = 0;
        nuint bytes = 0;
        byte* attribute = stackalloc byte[AttributeBytes];
        if (IsPresent && _attributes(_self(), attribute) == 0)
        {
            _ = _getStack(attribute, &address, &bytes);
            _ = _destroy(attribute);
        }

        return (address, bytes);
    }
}
