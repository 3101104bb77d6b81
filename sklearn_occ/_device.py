"""Which device a `device=` parameter means."""

import torch


def available_device(device, name):
    """Name of the device that "auto", "cpu", "cuda:1", a `torch.device` or an accelerator stands for on this machine.

    Raises
    ------
    ValueError
        When there is no such device; `name` is that of the estimator that was given it.
    """
    device = getattr(device, "device", device)  # that of an accelerate.Accelerator
    if str(device) == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} of {name} is not a device, expected 'auto', 'cpu', 'cuda' or 'cuda:0'."
        ) from error
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if chosen.type not in ("cpu", "cuda") or (chosen.type == "cuda" and (chosen.index or 0) >= n_cuda):
        raise ValueError(
            f"device={str(device)!r} of {name} is not available ({n_cuda} CUDA devices are); use device='auto' "
            "or 'cpu'."
        )
    return "cpu" if chosen.type == "cpu" else str(chosen)  # torch cannot load what is tagged "cpu:0"
