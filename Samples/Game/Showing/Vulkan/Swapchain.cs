// The images that the window shows by turns.
using Silk.NET.Vulkan;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace Samples.Game.Showing.Vulkan;

/// <summary>What one image needs. What is drawn may wait for its semaphore after the frame's fence.</summary>
internal readonly record struct ShownImage(Image Image, ImageView View, Framebuffer Framebuffer, Semaphore Drawn);

/// <summary>
/// The window's images and the depth that they share, made anew when the window changes its size. The thread that made
/// it makes all calls, all between frames.
/// </summary>
internal sealed unsafe class Swapchain : IDisposable
{
    private readonly VulkanDevice _device;
    private readonly RenderPass _pass;
    private readonly delegate* unmanaged<
        Device, SwapchainKHR, ulong, Semaphore, Fence, uint*, Result> _acquire;

    private readonly delegate* unmanaged<Queue, PresentInfoKHR*, Result> _present;
    private SwapchainKHR _handle;
    private ShownImage[] _images = [];
    private Image _depth;
    private DeviceMemory _depthMemory;
    private ImageView _depthView;

    /// <param name="device">It must outlive this.</param>
    /// <param name="pass">What draws in the images.</param>
    public Swapchain(VulkanDevice device, RenderPass pass)
    {
        (_device, _pass) = (device, pass);
        _acquire = (delegate* unmanaged<Device, SwapchainKHR, ulong, Semaphore, Fence, uint*, Result>)
            device.FunctionOf("vkAcquireNextImageKHR");
        _present = (delegate* unmanaged<Queue, PresentInfoKHR*, Result>)device.FunctionOf("vkQueuePresentKHR");
    }

    /// <summary>In pixels.</summary>
    public Extent2D Size { get; private set; }

    public ReadOnlySpan<ShownImage> Images => _images;

    /// <summary>Makes images of the window's size in place of those that there were.</summary>
    /// <param name="wanted">The size where the system leaves it to the images.</param>
    /// <returns>Whether there are images: a window that is minimized has no pixels.</returns>
    public bool Renew(Extent2D wanted)
    {
        _device.Wait();
        ReleaseImages();
        SurfaceCapabilitiesKHR can = _device.SurfaceCapabilities;
        Size = can.CurrentExtent.Width == uint.MaxValue ? wanted : can.CurrentExtent;
        if (Size.Width == 0 || Size.Height == 0)
            return false;

        SwapchainKHR old = _handle;
        _handle = NewSwapchain(can, old);
        Destroy(old);
        NewDepth();
        _images = Array.ConvertAll(GetImages(), Shown);
        return true;
    }

    /// <summary>Takes the next image.</summary>
    /// <param name="acquired">Signaled when it may be drawn.</param>
    /// <returns>False where the images are out of date, and want to be renewed.</returns>
    public bool TryAcquire(Semaphore acquired, out int image)
    {
        uint index = 0;
        Result result = _acquire(_device.Handle, _handle, ulong.MaxValue, acquired, default, &index);
        image = (int)index;
        if (result == Result.ErrorOutOfDateKhr)
            return false;

        VulkanDevice.Check(result);
        return true;
    }

    /// <summary>Shows an image when it is drawn.</summary>
    /// <returns>False where the images are out of date, and want to be renewed.</returns>
    public bool Present(int image)
    {
        SwapchainKHR swapchain = _handle;
        Semaphore drawn = _images[image].Drawn;
        uint index = (uint)image;
        PresentInfoKHR info = new(
            waitSemaphoreCount: 1, pWaitSemaphores: &drawn, swapchainCount: 1, pSwapchains: &swapchain,
            pImageIndices: &index);
        Result result = _present(_device.Queue, &info);
        if (result == Result.ErrorOutOfDateKhr)
            return false;

        VulkanDevice.Check(result);
        return true;
    }

    /// <summary>The device has nothing to do.</summary>
    public void Dispose()
    {
        ReleaseImages();
        Destroy(_handle);
        _handle = default;
    }

    private SwapchainKHR NewSwapchain(in SurfaceCapabilitiesKHR can, SwapchainKHR old)
    {
        uint most = can.MaxImageCount == 0 ? uint.MaxValue : can.MaxImageCount;
        SwapchainCreateInfoKHR info = new(
            surface: _device.Surface, minImageCount: Math.Min(can.MinImageCount + 1, most),
            imageFormat: _device.ColorFormat.Format, imageColorSpace: _device.ColorFormat.ColorSpace,
            imageExtent: Size, imageArrayLayers: 1,
            imageUsage: ImageUsageFlags.ColorAttachmentBit | ImageUsageFlags.TransferSrcBit,
            imageSharingMode: SharingMode.Exclusive, preTransform: can.CurrentTransform,
            compositeAlpha: CompositeAlphaFlagsKHR.OpaqueBitKhr, presentMode: _device.FindPresentMode(), clipped: true,
            oldSwapchain: old);
        SwapchainKHR made;
        VulkanDevice.Check((
            (delegate* unmanaged<Device, SwapchainCreateInfoKHR*, AllocationCallbacks*, SwapchainKHR*, Result>)
            _device.FunctionOf("vkCreateSwapchainKHR"))(_device.Handle, &info, _device.Callbacks, &made));
        return made;
    }

    private void Destroy(SwapchainKHR swapchain)
    {
        if (swapchain.Handle != 0)
        {
            ((delegate* unmanaged<Device, SwapchainKHR, AllocationCallbacks*, void>)_device.FunctionOf(
                "vkDestroySwapchainKHR"))(_device.Handle, swapchain, _device.Callbacks);
        }
    }

    private Image[] GetImages()
    {
        var get = (delegate* unmanaged<Device, SwapchainKHR, uint*, Image*, Result>)_device.FunctionOf(
            "vkGetSwapchainImagesKHR");
        uint count = 0;
        VulkanDevice.Check(get(_device.Handle, _handle, &count, null));
        var images = new Image[count];
        fixed (Image* first = images)
            VulkanDevice.Check(get(_device.Handle, _handle, &count, first));

        return images;
    }

    private void NewDepth()
    {
        ImageCreateInfo info = new(
            imageType: ImageType.Type2D, format: _device.DepthFormat, extent: new Extent3D(Size.Width, Size.Height, 1),
            mipLevels: 1, arrayLayers: 1, samples: SampleCountFlags.Count1Bit, tiling: ImageTiling.Optimal,
            usage: ImageUsageFlags.DepthStencilAttachmentBit, sharingMode: SharingMode.Exclusive);
        VulkanDevice.Check(_device.Api.CreateImage(_device.Handle, &info, _device.Callbacks, out _depth));
        _device.Api.GetImageMemoryRequirements(_device.Handle, _depth, out MemoryRequirements needs);
        _depthMemory = _device.NewMemory(needs, MemoryPropertyFlags.DeviceLocalBit);
        VulkanDevice.Check(_device.Api.BindImageMemory(_device.Handle, _depth, _depthMemory, 0));
        _depthView = _device.NewView(_depth, _device.DepthFormat, ImageAspectFlags.DepthBit);
    }

    private ShownImage Shown(Image image)
    {
        ImageView view = _device.NewView(image, _device.ColorFormat.Format, ImageAspectFlags.ColorBit);
        ImageView* attachments = stackalloc ImageView[2] { view, _depthView };
        FramebufferCreateInfo info = new(
            renderPass: _pass, attachmentCount: 2, pAttachments: attachments, width: Size.Width, height: Size.Height,
            layers: 1);
        VulkanDevice.Check(_device.Api.CreateFramebuffer(
            _device.Handle, &info, _device.Callbacks, out Framebuffer framebuffer));
        return new ShownImage(image, view, framebuffer, _device.NewSemaphore());
    }

    private void ReleaseImages()
    {
        (Vk api, Device device) = (_device.Api, _device.Handle);
        foreach (ShownImage image in _images)
        {
            api.DestroySemaphore(device, image.Drawn, _device.Callbacks);
            api.DestroyFramebuffer(device, image.Framebuffer, _device.Callbacks);
            api.DestroyImageView(device, image.View, _device.Callbacks);
        }

        _images = [];
        api.DestroyImageView(device, _depthView, _device.Callbacks);
        api.DestroyImage(device, _depth, _device.Callbacks);
        api.FreeMemory(device, _depthMemory, _device.Callbacks);
        (_depthView, _depth, _depthMemory) = (default, default, default);
    }
}
