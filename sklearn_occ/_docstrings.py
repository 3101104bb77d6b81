"""Docs that several methods, metrics or functions share, written once and filled into each docstring."""

import re
from inspect import isclass, signature
from textwrap import indent

_SHARED = {
    "threshold parameters": """\
threshold_data : {"train", "validation"}, default="train"
    Rows whose scores set the threshold and the p-values. Scores of rows that were trained on are too
    good: with "train" more new majority rows than `contamination` fall below the threshold.
    "validation" takes the rows that `validation_fraction` holds out.
validation_fraction : float in (0, 1), default=None
    Share of the majority rows that is held out of training; None holds out none.
image_shape : tuple (H, W) or (C, H, W), default=None
    Shape of the images when `X` is flattened, (n, C*H*W). None reads a 2-D `X` as a table.
random_state : int, RandomState or None, default=None
    An int gives the same scores bit for bit on the same machine with the same number of threads. None draws
    one seed from NumPy's global generator.""",
    "verbose of what is inside": """\
verbose : int or "auto", default="auto"
    Handed to each detector inside whose own `verbose` has its default; one that was set there stays.""",
    "encoder and decoder": """\
encoder : torch.nn.Module or callable, default=None
    A module (b, *shape) -> (b, n_components), which is copied and keeps its weights, or a factory
    `encoder(shape, n_components)` that returns one, on any device; shape is (C, H, W), or (n_features,) for a
    table. None: for images the convolutions of figure 1 of Gao et al. (`nn.ConvEncoder`), for a table linear layers
    (`nn.DenseEncoder`).
{decoder}""",
    "first stage": """\
autoencoder : estimator with `transform`, default=None
    First stage; None is `CAE()`. Its `random_state`, if it is None, is set from this estimator's.
    Detectors of this package get images as they are, other estimators (`PCA()`) get them flattened,
    uint8 divided by 255.""",
    "width of the code": """\
n_components : int, default=None
    Width of the code. None: 256 for images, at most a quarter of their values; half of the features
    of a table, at most 32; or what a given `encoder` has.""",
    "channels and output": """\
channels : int, default={default of channels}
    Channels of the first stage of the default network of images; the following stages double them, up to eight times.
{output activation}""",
    "training parameters": """\
{epochs}
batch_size : int, default={default of batch_size}
    Rows of a training step.
{optimizer}""",
    "weight decay": """\
weight_decay : float, default=0.0
    L2 penalty on the weights, as the optimizer defines it.""",
    "engine parameters": """\
callbacks : list of skorch callbacks, default=None
    Callbacks or (name, callback) pairs, copied for each fit. One that monitors the validation loss
    needs `validation_fraction`.
device : str, torch.device or accelerate.Accelerator, default="auto"
    "auto" takes CUDA where there is one, else the CPU; or "cpu", "cuda", "cuda:1". The processes of an accelerator
    train one network together, each on its rows of every batch: `fit` is called in all of them, with the same `X` and
    an int `random_state`. A pickle has "auto" in its place.
precision : {"float32", "bfloat16"}, default="float32"
    In which the network runs in training; "bfloat16" pays on CUDA devices and CPUs that have units for it. Weights,
    losses and scores stay float32 or float64.
compile : bool, default=False
    Whether `torch.compile` makes the training step, which takes it tens of seconds and a C++ compiler. A network
    that draws random numbers or holds layers of a user's own runs without, and `verbose` says so.
capture : {"auto", True, False}, default="auto"
    Whether training steps are recorded as CUDA graphs and replayed, which saves the host's work. "auto": if they can
    be; `verbose` says why not. True: with a warning if they cannot. The first replays are compared with steps that
    run: if they differ or fail, a warning says so and all steps run.
verbose : int or "auto", default="auto"
    "auto" shows epoch, loss and the time left on one line of stderr, if that is a terminal or belongs to a notebook, in
    the main thread of the main process alone. 0 is silent, 1 prints the losses of each epoch. No score depends on it.
warm_start : bool, default=False
    Whether `fit` on a fitted estimator adds `max_epochs` epochs: network, optimizer, random numbers and
    whatever the first fit set from the data go on; other parameters changed in between are not looked at.
checkpoint : str or path, default=None
    File that keeps the state of the fit. A fit that was killed goes on from it when it is called again with
    the same parameters and data, and gives the same model, bit for bit on the CPU; a finished one is
    loaded. Needs an int `random_state`; one file for each fit. Callbacks with counters of their own
    (skorch's EarlyStopping) count anew.""",
    "trained networks": """\
encoder_, decoder_ : torch.nn.Module
    The trained networks as `encoder` and `decoder` of another detector take them, without activations that
    the method puts behind them. They are those of `net_`, not copies.""",
    "deep attributes": """\
max_epochs_ : int
    Epochs that the last `fit` was to train, for `max_epochs="auto"` those that its steps are.
net_ : skorch.NeuralNet
    The trained net: `net_.module_`, `net_.criterion_`, `net_.optimizer_`.
history_ : skorch.history.History
    One row for each epoch, with `train_loss`, `valid_loss` where rows are held out, and `dur` (s).
device_ : torch.device
    Where the network is.""",
    "threshold attributes": """\
offset_ : float
    Threshold on the score: `decision_function = score_samples - offset_`.
calibration_scores_ : ndarray of float64, ascending
    Scores of the rows that set the threshold.
image_shape_ : tuple (C, H, W) or None
    Shape of one image; None for a table.
n_features_in_ : int
    Values of one row.
feature_names_in_ : ndarray of str
    Column names, when `X` was a data frame.""",
    "masks and maps": """\
masks : array-like of shape (n, H, W), or list of n array-likes of shapes (H, W)
    Values of bool, or 0 and 1; True = anomalous. The images of a list may differ in size.
maps : array-like of shape (n, H, W), or list of n array-likes of shapes (H, W)
    Finite values, higher = more anomalous, of the same shapes.""",
    "errors of masks": """\
ValueError
    If shapes differ, a mask holds another value, a map is not finite, or one kind of pixel is absent.""",
    "images to map": """\
X : array-like of shape (n, H, W) or (n, C, H, W)
    Images of the shape that was fitted; flattened images are taken too.""",
    "maps of images": """\
Returns
-------
maps : ndarray of shape (n, H, W), float64
    A map does not depend on the other rows of X.

Raises
------
ValueError
    When a table was fitted.""",
    "images as in fit": """\
X : list of arrays or of paths, or array of shape (n, H, W) or (n, C, H, W)
    Images as in `fit`.""",
    # what methods take and give
    "rows as fitted": """\
Parameters
----------
X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
    Rows of the shape that was fitted.""",
    "rows to judge": """\
Parameters
----------
X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
    Rows to judge.""",
    "codes of transform": """\
Parameters
----------
X : array-like of shape (n, n_components_)
    Codes, as `transform` returns them.""",
    "codes in the precision of X": """\
Returns
-------
codes : ndarray of shape (n, n_components_)
    In the precision of X; float32 for uint8 images.""",
    "what the estimator takes": """\
Parameters
----------
X : array-like of shape (n, ...)
    Whatever `estimator_` takes.""",
    "rows and labels as in fit": """\
Parameters
----------
X : array-like of shape (n, ...)
    As in `fit`.
y : array-like of shape (n,), default=None
    As in `fit`.""",
    "images to codes": """\
Parameters
----------
x : tensor of shape (b, C, H, W)
    Images.

Returns
-------
code : tensor of shape (b, n_components)
    The codes.""",
    "codes to images": """\
Parameters
----------
z : tensor of shape (b, n_components)
    Codes.

Returns
-------
x : tensor of shape (b, C, H, W)
    Images, without an activation.""",
    # single entries, some of which are part of those above
    "decoder": """\
decoder : torch.nn.Module or callable, default=None
    The way back, (b, n_components) -> (b, *shape), or a factory `decoder(n_components, shape)`. It ends
    without an activation; `output_activation` follows it.""",
    "output activation": """\
output_activation : {"auto", "sigmoid", "linear"}, default="auto"
    "auto" is a sigmoid for uint8 images and for float images within [0, 1], else linear. Set it by hand
    where a fold of a cross-validation could differ.""",
    "epochs": """\
max_epochs : int or "auto", default="auto"
    Passes over the training rows. "auto": as many as make {steps of max_epochs}, at least 5; see `max_epochs_`.""",
    "optimizer": """\
optimizer : {"adam", "adamw", "sgd", "rmsprop"} or callable, default="adam"
    "sgd" has momentum 0.9. A callable is a `torch.optim` class or a function
    `optimizer(parameters, lr=, weight_decay=)`.""",
}


def with_shared_docs(documented):
    """Replace each line `{name}` of the docstring of a class, function or method by the text of that name.

    In the docstring of a class, `{default of name}` is the default of that parameter, and `{steps of name}` says how
    many steps the parameter's "auto" stands for.
    """
    if documented.__doc__ is not None:  # python -OO strips them
        for name, text in _SHARED.items():
            pattern = re.compile(rf"^( *)\{{{name}\}}$", re.MULTILINE)
            documented.__doc__ = pattern.sub(lambda found, text=text: indent(text, found[1]), documented.__doc__)
    if documented.__doc__ is not None and isclass(documented):
        documented.__doc__ = re.sub(
            r"\{(default|steps) of (\w+)\}", lambda found: _OF_CLASS[found[1]](documented, found[2]), documented.__doc__
        )
    return documented


def _default_of(estimator, parameter):
    return repr(signature(estimator).parameters[parameter].default)


def _steps_of(estimator, parameter):
    steps = estimator._budgets[parameter]
    if steps.images == steps.table:
        return f"{steps.images} optimizer steps"
    return f"{steps.images} optimizer steps on images, {steps.table} on a table"


_OF_CLASS = {"default": _default_of, "steps": _steps_of}
