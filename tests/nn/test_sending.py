"""What is drawn on the CPU reaches the device while that still works on what came before."""

import pytest
import torch
from conftest import quick

from sklearn_occ.nn._sending import send


def test_what_lies_there_stays_itself():
    numbers = torch.rand(5)
    assert send(numbers, torch.device("cpu")) is numbers


@pytest.mark.gpu
def test_the_host_does_not_wait_and_may_change_what_it_sent():
    torch.zeros(1, device="cuda")  # which starts CUDA
    numbers, busy = torch.arange(100.0), torch.cuda.Event()
    torch.cuda._sleep(4 * 10**9)  # clock cycles, about two seconds
    busy.record()
    sent = send(numbers, "cuda")
    assert not busy.query()
    numbers.fill_(-1)
    assert torch.equal(sent.cpu(), torch.arange(100.0))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["AnoGAN", "FAnoGAN", "VAE", "CascadeVAE", "CVAD", "DenoisingAutoencoder", "TEND"])
def test_what_is_drawn_for_a_step_does_not_wait(name, blobs):
    criterion = quick(name, device="cuda").fit(blobs(20)).net_.criterion_
    rows = torch.rand(16, 1, 12, 12, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        criterion.draw(rows, torch.Generator().manual_seed(0))
    finally:
        torch.cuda.set_sync_debug_mode("default")
