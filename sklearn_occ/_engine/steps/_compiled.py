"""CompiledTurns: what `torch.compile` makes of the forward pass and the loss of a step."""

import sys
from types import FunctionType

import torch

_NO_COMPILER = ("InvalidCxxCompiler", "No working C++ compiler", "Cannot find a working triton")


class CompiledTurns:
    """Turns whose outputs and loss are one compiled function, made when they are first called; a pickle has none.

    Parameters
    ----------
    verbose : bool
        Whether a line says what is run uncompiled, and why.

    Attributes
    ----------
    by_player : dict
        The functions by whose turn it is, `(x, *drawn) -> (outputs, loss)`.
    """

    def __init__(self, verbose):
        self.verbose = verbose
        self.by_player = {}

    def compiled(self, turns):
        """The same turns, compiled for the sizes of what they are called with."""
        return [_CompiledTurn(self, turn).as_turn() for turn in turns]

    def run(self, turn, x, *drawn):
        """Outputs and loss of a turn, of which the first call makes the function.

        Raises
        ------
        RuntimeError
            When there is no compiler; what `torch.compile` cannot trace is run as it is.
        """
        if turn.player not in self.by_player:
            self.by_player[turn.player] = torch.compile(_outputs_and_loss(turn), dynamic=False)
        try:
            return self.by_player[turn.player](x, *drawn)
        except RuntimeError as error:
            if any(missing in str(error) for missing in _NO_COMPILER):
                raise RuntimeError(
                    "compile=True needs a C++ compiler (for CUDA also Triton), which torch.compile did not find; "
                    "install one, or fit with compile=False."
                ) from error
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
        self.leave_out("torch.compile cannot run the network")
        self.by_player[turn.player] = _outputs_and_loss(turn)
        return self.by_player[turn.player](x, *drawn)

    def leave_out(self, reason):
        """Say that something runs uncompiled."""
        if self.verbose:
            sys.stdout.write(f"compile: left out, as {reason}\n")

    def __getstate__(self):
        return {"verbose": self.verbose, "by_player": {}}


class _CompiledTurn:
    """A turn that computes outputs and loss at once and hands them out one after the other."""

    def __init__(self, functions, turn):
        self.functions = functions
        self.turn = turn
        self.loss = None

    def as_turn(self):
        return self.turn._replace(play=self.play, loss_of=self.loss_of)

    def play(self, x, *drawn):
        outputs, self.loss = self.functions.run(self.turn, x, *drawn)
        return outputs

    def loss_of(self, outputs, x):
        loss, self.loss = self.loss, None
        return loss


def _outputs_and_loss(turn):
    """One function with a code object of its own: torch.compile counts and limits its variants by code object."""

    def outputs_and_loss(x, *drawn):
        outputs = turn.play(x, *drawn)
        return outputs, turn.loss_of(outputs, x)

    function = outputs_and_loss
    own_code = function.__code__.replace()
    return FunctionType(own_code, function.__globals__, function.__name__, None, function.__closure__)
