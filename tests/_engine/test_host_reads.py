"""HostReads: which operations make the host wait for the device."""

import pytest
import torch

from sklearn_occ._engine.steps._host_reads import HostReads


@pytest.mark.parametrize(
    ("operation", "is_read"),
    [
        (lambda x: x.sum().item(), True),
        (lambda x: x[x > 0], True),
        (lambda x: torch.nonzero(x), True),
        (lambda x: bool(x.sum() > 0), True),
        (lambda x: x.to("meta"), True),
        (lambda x: x[torch.tensor([0, 1])], False),
        (lambda x: torch.where(x > 0, x, 2 * x).mean(), False),
    ],
)
def test_what_the_host_waits_for(operation, is_read):
    with HostReads() as reads:
        operation(torch.ones(3))
    assert bool(reads.names) == is_read
