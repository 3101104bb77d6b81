"""Random numbers on their way from the CPU, where they are drawn, to the device."""


def send(tensor, device):
    """Copy a tensor of the CPU to the device, before all that is launched there later.

    The host is not made to wait until the device has done what was launched before, as `tensor.to(device)` makes it;
    CUDA may still do so for more than 64 KiB. The tensor may be changed at once, unless it lies in pinned memory: else
    CUDA has put it aside when this returns.
    """
    return tensor.to(device, non_blocking=True)
