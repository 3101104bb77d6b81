"""CompiledFunctions: what `torch.compile` makes of the functions of a training step."""

import sys
from types import FunctionType, MethodType

import torch

_NO_COMPILER = ("InvalidCxxCompiler", "No working C++ compiler", "Cannot find a working triton")


class CompiledFunctions:
    """Methods compiled when they are first called, kept by name; a pickle of them is empty.

    Parameters
    ----------
    verbose : bool
        Whether a line says what is run uncompiled, and why.
    """

    def __init__(self, verbose):
        self.verbose = verbose
        self.by_name = {}

    def run(self, method, *args):
        """`method(*args)`, compiled for the sizes of its arguments.

        Raises
        ------
        RuntimeError
            When there is no compiler; what `torch.compile` cannot trace is run as it is.
        """
        name = method.__name__
        if name not in self.by_name:
            self.by_name[name] = torch.compile(_with_own_code(method), dynamic=False)
        try:
            return self.by_name[name](*args)
        except RuntimeError as error:
            if any(missing in str(error) for missing in _NO_COMPILER):
                raise RuntimeError(
                    "compile=True needs a C++ compiler (for CUDA also Triton), which torch.compile did not find; "
                    "install one, or fit with compile=False."
                ) from error
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
        self.leave_out("torch.compile cannot run the network")
        self.by_name[name] = method
        return method(*args)

    def leave_out(self, reason):
        """Say that something runs uncompiled."""
        if self.verbose:
            sys.stdout.write(f"compile: left out, as {reason}\n")

    def __getstate__(self):
        return {"verbose": self.verbose, "by_name": {}}


def _with_own_code(method):
    """The same method with a code object of its own: torch.compile counts and limits its variants by code object."""
    function = method.__func__
    own = FunctionType(function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__)
    return MethodType(own, method.__self__)
