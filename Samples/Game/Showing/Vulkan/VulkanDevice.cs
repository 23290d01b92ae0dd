// A device of Vulkan that presents to the game's window, and its memory.
using Samples.Common;
using Silk.NET.Core;
using Silk.NET.Core.Contexts;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace Samples.Game.Showing.Vulkan;

/// <summary>A buffer that the processor writes or reads, at an address of its own.</summary>
internal readonly record struct HostBuffer(Buffer Buffer, DeviceMemory Memory, nint Address);

/// <summary>
/// Instance, surface, device and queue. All of Vulkan's objects but the surface, which is SDL's, are made with the same
/// callbacks. The thread that made it makes all calls.
/// </summary>
/// <remarks>
/// Functions of extensions are called by pointers, as Silk.NET has them in packages of their own.
/// </remarks>
internal sealed unsafe class VulkanDevice : IDisposable
{
    private const int Most = 16;
    private readonly Instance _instance;
    private readonly SurfaceKHR _surface;
    private readonly PhysicalDevice _physical;
    private readonly uint _family;

    /// <param name="sdl">A window for Vulkan; it must outlive this.</param>
    /// <param name="callbacks">Where Vulkan's memory comes from, null is malloc; they must outlive this.</param>
    /// <exception cref="RunFailedException">No device can draw in the window.</exception>
    public VulkanDevice(Sdl sdl, AllocationCallbacks* callbacks)
    {
        Callbacks = callbacks;
        Api = new Vk(new LamdaNativeContext(FunctionOf));
        try
        {
            _instance = NewInstance(sdl);
            _surface = new SurfaceKHR(sdl.NewVulkanSurface(_instance.Handle));
            (_physical, _family) = Presenter();
            Handle = NewDevice();
            Api.GetDeviceQueue(Handle, _family, 0, out Queue queue);
            Queue = queue;
            ColorFormat = FindColorFormat();
            DepthFormat = FindDepthFormat();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Vk Api { get; }

    /// <summary>pAllocator of each function that makes or destroys.</summary>
    public AllocationCallbacks* Callbacks { get; }

    public Device Handle { get; }

    public Queue Queue { get; }

    public uint QueueFamily => _family;

    public SurfaceKHR Surface => _surface;

    /// <summary>Of the window's images.</summary>
    public SurfaceFormatKHR ColorFormat { get; }

    public Format DepthFormat { get; }

    /// <summary>The device, as its driver calls it.</summary>
    public string Name
    {
        get
        {
            Api.GetPhysicalDeviceProperties(_physical, out PhysicalDeviceProperties properties);
            return SilkMarshal.PtrToString((nint)properties.DeviceName) ?? "";
        }
    }

    /// <summary>What the surface can do at this moment; its size changes with the window.</summary>
    public SurfaceCapabilitiesKHR SurfaceCapabilities
    {
        get
        {
            SurfaceCapabilitiesKHR can;
            Check(((delegate* unmanaged<PhysicalDevice, SurfaceKHR, SurfaceCapabilitiesKHR*, Result>)FunctionOf(
                "vkGetPhysicalDeviceSurfaceCapabilitiesKHR"))(_physical, _surface, &can));
            return can;
        }
    }

    /// <exception cref="RunFailedException">A function of Vulkan failed.</exception>
    public static void Check(Result result)
    {
        if (result < Result.Success)
            throw new RunFailedException($"Vulkan: {result}.");
    }

    /// <summary>A function of Vulkan, 0 where there is none.</summary>
    public nint FunctionOf(string name) => Sdl.VulkanFunctionOf(_instance.Handle, name);

    /// <summary>Waits until the device has done all that it was given.</summary>
    public void Wait() => Check(Api.DeviceWaitIdle(Handle));

    /// <summary>The swapchain does not wait for the screen where it need not.</summary>
    public PresentModeKHR FindPresentMode()
    {
        PresentModeKHR* modes = stackalloc PresentModeKHR[Most];
        uint count = Most;
        Check(((delegate* unmanaged<PhysicalDevice, SurfaceKHR, uint*, PresentModeKHR*, Result>)FunctionOf(
            "vkGetPhysicalDeviceSurfacePresentModesKHR"))(_physical, _surface, &count, modes));
        return new ReadOnlySpan<PresentModeKHR>(modes, (int)count).Contains(PresentModeKHR.ImmediateKhr)
            ? PresentModeKHR.ImmediateKhr
            : PresentModeKHR.FifoKhr;
    }

    /// <summary>A buffer whose pages have been touched.</summary>
    public HostBuffer NewBuffer(int bytes, BufferUsageFlags usage)
    {
        BufferCreateInfo info = new(size: (ulong)bytes, usage: usage, sharingMode: SharingMode.Exclusive);
        Check(Api.CreateBuffer(Handle, &info, Callbacks, out Buffer buffer));
        Api.GetBufferMemoryRequirements(Handle, buffer, out MemoryRequirements needs);
        DeviceMemory memory = NewMemory(
            needs, MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit);
        Check(Api.BindBufferMemory(Handle, buffer, memory, 0));
        void* address;
        Check(Api.MapMemory(Handle, memory, 0, Vk.WholeSize, 0, &address));
        new Span<byte>(address, bytes).Clear();
        return new HostBuffer(buffer, memory, (nint)address);
    }

    public void Release(in HostBuffer buffer)
    {
        Api.DestroyBuffer(Handle, buffer.Buffer, Callbacks);
        Api.FreeMemory(Handle, buffer.Memory, Callbacks);
    }

    /// <summary>Memory of the device for what needs it.</summary>
    public DeviceMemory NewMemory(in MemoryRequirements needs, MemoryPropertyFlags kind)
    {
        PhysicalDeviceMemoryProperties properties;
        Api.GetPhysicalDeviceMemoryProperties(_physical, &properties);
        for (int type = 0; type < properties.MemoryTypeCount; type++)
        {
            if ((needs.MemoryTypeBits & (1u << type)) == 0
                || (properties.MemoryTypes[type].PropertyFlags & kind) != kind)
            {
                continue;
            }

            MemoryAllocateInfo info = new(allocationSize: needs.Size, memoryTypeIndex: (uint)type);
            Check(Api.AllocateMemory(Handle, &info, Callbacks, out DeviceMemory memory));
            return memory;
        }

        throw new RunFailedException($"The Vulkan device has no memory that is {kind}.");
    }

    public ImageView NewView(Image image, Format format, ImageAspectFlags aspect)
    {
        ImageViewCreateInfo info = new(
            image: image, viewType: ImageViewType.Type2D, format: format,
            subresourceRange: new ImageSubresourceRange(aspect, 0, 1, 0, 1));
        Check(Api.CreateImageView(Handle, &info, Callbacks, out ImageView view));
        return view;
    }

    public Semaphore NewSemaphore()
    {
        SemaphoreCreateInfo info = new(flags: 0);
        Check(Api.CreateSemaphore(Handle, &info, Callbacks, out Semaphore semaphore));
        return semaphore;
    }

    public void Dispose()
    {
        if (Handle.Handle != 0)
            Api.DestroyDevice(Handle, Callbacks);

        if (_surface.Handle != 0)
        {
            ((delegate* unmanaged<Instance, SurfaceKHR, AllocationCallbacks*, void>)FunctionOf("vkDestroySurfaceKHR"))(
                _instance, _surface, null);
        }

        if (_instance.Handle != 0)
            Api.DestroyInstance(_instance, Callbacks);

        Api.Dispose();
    }

    private Instance NewInstance(Sdl sdl)
    {
        byte** extensions = stackalloc byte*[Most];
        ApplicationInfo application = new(apiVersion: Vk.Version11);
        InstanceCreateInfo info = new(
            pApplicationInfo: &application, enabledExtensionCount: sdl.VulkanExtensions(extensions, Most),
            ppEnabledExtensionNames: extensions);
        Result result = Api.CreateInstance(&info, Callbacks, out Instance instance);
        return result == Result.Success ? instance : throw Missing(result.ToString());
    }

    /// <summary>The first device, and of its queues the first, that draws and presents to the window.</summary>
    private (PhysicalDevice Device, uint Family) Presenter()
    {
        var supports = (delegate* unmanaged<PhysicalDevice, uint, SurfaceKHR, Bool32*, Result>)FunctionOf(
            "vkGetPhysicalDeviceSurfaceSupportKHR");
        PhysicalDevice* devices = stackalloc PhysicalDevice[Most];
        QueueFamilyProperties* families = stackalloc QueueFamilyProperties[Most];
        uint deviceCount = Most;
        Result result = Api.EnumeratePhysicalDevices(_instance, &deviceCount, devices);
        if (result < Result.Success)
            throw Missing(result.ToString());

        for (uint device = 0; device < deviceCount; device++)
        {
            uint familyCount = Most;
            Api.GetPhysicalDeviceQueueFamilyProperties(devices[device], &familyCount, families);
            for (uint family = 0; family < familyCount; family++)
            {
                Bool32 canPresent;
                Check(supports(devices[device], family, _surface, &canPresent));
                if (canPresent && (families[family].QueueFlags & QueueFlags.GraphicsBit) != 0)
                    return (devices[device], family);
            }
        }

        throw Missing($"{deviceCount} devices, none for this display");
    }

    private static RunFailedException Missing(string why) => new(
        $"There is no Vulkan driver for this display ({why}; Debian: mesa-vulkan-drivers). {Sdl.Otherwise}");

    private Device NewDevice()
    {
        float priority = 1;
        DeviceQueueCreateInfo queue = new(queueFamilyIndex: _family, queueCount: 1, pQueuePriorities: &priority);
        fixed (byte* extension = "VK_KHR_swapchain\0"u8)
        {
            byte* name = extension;
            DeviceCreateInfo info = new(
                queueCreateInfoCount: 1, pQueueCreateInfos: &queue, enabledExtensionCount: 1,
                ppEnabledExtensionNames: &name);
            Check(Api.CreateDevice(_physical, &info, Callbacks, out Device device));
            return device;
        }
    }

    /// <summary>8 bits a color that are shown as they are, as OpenGL's are; else the surface's first.</summary>
    private SurfaceFormatKHR FindColorFormat()
    {
        var get = (delegate* unmanaged<PhysicalDevice, SurfaceKHR, uint*, SurfaceFormatKHR*, Result>)FunctionOf(
            "vkGetPhysicalDeviceSurfaceFormatsKHR");
        SurfaceFormatKHR* formats = stackalloc SurfaceFormatKHR[Most];
        uint count = Most;
        Check(get(_physical, _surface, &count, formats));
        for (int index = 0; index < count; index++)
        {
            if (formats[index].Format is Format.B8G8R8A8Unorm or Format.R8G8B8A8Unorm)
                return formats[index];
        }

        return formats[0];
    }

    /// <summary>Each device has one of the two.</summary>
    private Format FindDepthFormat()
    {
        Api.GetPhysicalDeviceFormatProperties(_physical, Format.D32Sfloat, out FormatProperties properties);
        return (properties.OptimalTilingFeatures & FormatFeatureFlags.DepthStencilAttachmentBit) != 0
            ? Format.D32Sfloat
            : Format.X8D24UnormPack32;
    }
}
