"""Random numbers on their way from the CPU, where they are drawn, to the device."""


def send(tensor, device):
    """Copy a small tensor of the CPU to the device, before all that is launched there later.

    The host does not wait until the device has done what was launched before. The tensor may be changed at once: CUDA
    puts what does not lie in pinned memory aside before this returns.
    """
    return tensor.to(device, non_blocking=True)
