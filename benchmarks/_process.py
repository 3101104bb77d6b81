"""A process of its own for one line of a benchmark, whose peak of memory is that of the line."""

import multiprocessing


def in_a_process_of_its_own(function, *args):
    """Result of `function(*args)`, called in a new process that has the package imported, and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sklearn_occ"])
    with context.Pool(1) as process:
        return process.apply(function, args)
