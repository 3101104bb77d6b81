"""A process of its own for one line of a benchmark, so that its peak of memory is that of the line."""

import multiprocessing


def in_a_new_process(function, *args):
    """Result of `function(*args)`, called in a process that has nothing of this one's memory."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(function, args)
