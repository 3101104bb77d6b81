"""What is drawn on the CPU reaches the device while that still works on what came before."""

import pytest
import torch

from sklearn_occ.nn import send


def test_what_lies_there_stays_itself():
    numbers = torch.rand(5)
    assert send(numbers, torch.device("cpu")) is numbers


@pytest.mark.gpu
def test_the_host_does_not_wait_and_may_change_what_it_sent():
    torch.zeros(1, device="cuda")  # which starts CUDA
    numbers, busy = torch.arange(100.0), torch.cuda.Event()
    torch.cuda._sleep(2 * 10**9)  # clock cycles, about a second
    busy.record()
    sent = send(numbers, "cuda")
    assert not busy.query()
    numbers.fill_(-1)
    assert torch.equal(sent.cpu(), torch.arange(100.0))
