using System.Runtime.InteropServices;

namespace Engine.Platform;

/// <summary>
/// Large pages of Windows. They need the privilege SeLockMemoryPrivilege ("Lock pages in memory", given by a policy and
/// switched on here), and they are reserved, committed and made resident in one call, for good.
/// </summary>
internal sealed unsafe class WindowsLargePages
{
    private readonly WindowsFunctions _windows;
    private readonly nuint _pageBytes;
    private readonly string? _refusal;

    public WindowsLargePages(WindowsFunctions windows)
    {
        _windows = windows;
        _pageBytes = windows.GetLargePageMinimum == null ? 0 : windows.GetLargePageMinimum();
        _refusal = _pageBytes == 0 ? "this processor or Windows has no large pages" : RefusalOfPrivilege();
    }

    /// <summary>Why there are none here; null when they can be asked for.</summary>
    public string? Refusal => _refusal;

    public bool TryReserve(nuint bytes, out nint address, out string reason)
    {
        address = 0;
        reason = _refusal ?? string.Empty;
        if (_refusal is null && bytes % _pageBytes != 0)
        {
            reason = $"the size is not a multiple of the large page, {_pageBytes} bytes";
        }
        else if (_refusal is null)
        {
            uint type = WindowsFunctions.Reserve | WindowsFunctions.Commit | WindowsFunctions.LargePages;
            address = _windows.VirtualAlloc(0, bytes, type, WindowsFunctions.ReadWrite);
            reason = address == 0 ? Errno.Describe("VirtualAlloc(MEM_LARGE_PAGES)", Marshal.GetLastSystemError()) : string.Empty;
        }

        return address != 0;
    }

    private string? RefusalOfPrivilege()
    {
        const uint AdjustAndQuery = 0x28;
        const uint Enabled = 2;
        if (_windows.OpenProcessToken == null || _windows.LookupPrivilegeValue == null || _windows.AdjustTokenPrivileges == null
            || _windows.CloseHandle == null)
        {
            return "the functions that ask for SeLockMemoryPrivilege are absent";
        }

        nint token;
        if (_windows.OpenProcessToken(WindowsFunctions.ThisProcess, AdjustAndQuery, &token) == 0)
        {
            return Errno.Describe("OpenProcessToken", Marshal.GetLastSystemError());
        }

        long luid;
        int error;
        fixed (char* name = "SeLockMemoryPrivilege")
        {
            error = _windows.LookupPrivilegeValue(null, name, &luid) == 0 ? Marshal.GetLastSystemError() : 0;
        }

        if (error == 0)
        {
            var privilege = new WindowsFunctions.TokenPrivilege { Count = 1, Luid = luid, Attributes = Enabled };

            // Success with the error "not all were assigned" (1300) is a refusal.
            Marshal.SetLastSystemError(0);
            _ = _windows.AdjustTokenPrivileges(token, 0, &privilege, 0, null, null);
            error = Marshal.GetLastSystemError();
        }

        _ = _windows.CloseHandle(token);
        return error == 0 ? null : Errno.Describe("SeLockMemoryPrivilege", error);
    }
}
