"""Write docs/parameters.md: every parameter of every estimator, with the defaults that the signatures have.

    python docs/make_parameters.py

Meanings and reasons are written here, once; a parameter without a meaning, and one with several defaults and no reason,
is an error, and so is a text that no parameter needs any more.
"""

from collections import defaultdict
from inspect import signature
from pathlib import Path

import sklearn_occ

TABLE = Path(__file__).with_name("parameters.md")

# Every signature has the method's own parameters first, then these as far as it has them, in this order.
SHARED = {
    "Networks": {
        "encoder": "Network from rows to codes, a module or a factory `encoder(shape, n_components)`.",
        "decoder": "Network from codes to rows, a module or a factory `decoder(n_components, shape)`.",
        "pretrain_encoder": "Encoder of the first stage, where that is another network than `encoder`.",
        "pretrain_decoder": "Decoder of the first stage.",
        "generator": "Network from random codes to rows, a module or a factory `generator(n_components, shape)`.",
        "discriminator": "Network from rows to the features by which they are judged, a module or a factory.",
        "denoiser": "Network from rows to rows, a module or a factory `denoiser(shape)`.",
        "n_components": "Width of the code; None follows the shape of the rows. Of `CascadeVAE` and `CVAD` that of the "
        "primary code, of `PCAReconstruction` the number of components or the share of the variance they keep.",
        "channels": "Channels of the first stage of the default network of images.",
        "depth": "How often the default network of images halves their sides.",
        "output_activation": 'What ends the network that makes rows; "auto" is a sigmoid for images in [0, 1].',
    },
    "Training": {
        "svd_solver": "How the components are found, as in scikit-learn's `PCA`.",
        "solver": "How the SVM is solved.",
        "tol": "Tolerance of the solver's stopping rule.",
        "shrinking": "Whether libsvm leaves out rows that have reached a bound.",
        "cache_size": "Memory of the solver in MB.",
        "max_iter": "Limit on the solver's iterations; -1 is described in the docstring.",
        "lr": "Learning rate; of methods with two stages that of the last one.",
        "max_epochs": 'Passes over the training rows; of methods with two stages those of the last one. "auto" is a '
        "number of optimizer steps, which each docstring gives.",
        "batch_size": "Rows of a training step.",
        "optimizer": "Optimizer, by name, class or function.",
        "weight_decay": "L2 penalty on the weights, as the optimizer defines it.",
    },
    "Threshold and input": {
        "contamination": 'Share of the calibration rows below the threshold; "auto" is the threshold of the method.',
        "threshold_data": "Which rows set the threshold: those trained on or those held out.",
        "validation_fraction": "Share of the majority rows that is held out of training.",
        "image_shape": "Shape of one image where X is flattened.",
        "random_state": "Seed.",
    },
    "Running": {
        "callbacks": "skorch callbacks of the last stage.",
        "n_jobs": "Threads: in which members or folds are fitted, of `PatchDetector` those that read files.",
        "device": "Where the network, or the kernel of `OCSVM`, is computed.",
        "precision": "In which the network runs in training.",
        "compile": "Whether `torch.compile` makes the training step.",
        "capture": "Whether training steps are recorded as CUDA graphs.",
        "verbose": 'What is told of a fit; "auto" is one line in a terminal or notebook. Estimators with detectors '
        "inside hand it to those whose own was not changed.",
        "warm_start": "Whether `fit` on a fitted estimator goes on from it.",
        "checkpoint": "File from which a fit that was killed resumes.",
    },
}
ORDER = [name for group in SHARED.values() for name in group]

OWN = {
    "alpha": "Weight of the L1 norm of the codes (the paper's letter).",
    "amplitude": "How much rows are distorted.",
    "augment": "Change of the training rows before each step.",
    "autoencoder": "First stage.",
    "branch_weight": "Weight of the second autoencoder's terms in the loss.",
    "classifier": "Whether rows are also told from distorted ones by a classifier.",
    "code_weight": "Weight of the distance of the two codes in the loss.",
    "coef0": "Constant of the polynomial and the sigmoid kernel.",
    "combination": "Whether ranks or scores of the members are averaged.",
    "constraints": "Whether closeness and dispersion are trained.",
    "covariance_weight": "Weight of the inverse variances in the loss.",
    "critic_steps": "Steps of the critic for one of the generator.",
    "cv": "Folds that are mapped by a detector trained without them.",
    "degree": "Degree of the polynomial kernel.",
    "dropout": "Share of hidden units of the estimation network that are dropped.",
    "energy_weight": "Weight of the energy in the loss.",
    "estimator": "Detector that is fitted.",
    "feature_share": "Share of the discriminator's features in the score, (1 - share) reconstruction + share feature.",
    "feature_weight": "Weight of the discriminator's features, reconstruction + weight feature.",
    "foreground": "Which pixels show tissue.",
    "freeze_encoder": "Whether the encoder stays as the first stage left it.",
    "gamma": "The papers' letter: weight of the distance of codes from their centre (`ConOCC`), width of the kernel "
    "(`OCSVM`).",
    "kernel": "Kernel.",
    "kind": "Kind of the detector's anomaly map, as its `anomaly_map` takes it.",
    "kl_weight": "Weight of the divergence of codes from the prior in the loss.",
    "margin": "Squared distance from the centre beyond which distorted rows should lie.",
    "min_foreground": "Share of foreground that a patch must have.",
    "mixture": "Second stage.",
    "n_estimators": "Members.",
    "n_hidden": "Width of the estimation network's hidden layer.",
    "n_mixtures": "Components of the mixture.",
    "n_patches": "Patches to train on; None takes all of the grid.",
    "n_restarts": "Starts of the search for a code.",
    "noise_size": "Cells of the noise in pixels.",
    "noise_std": "Standard deviation of the noise: of rows in standard deviations of the training rows "
    "(`DenoisingAutoencoder`), of codes in those of the prior (`CVAD`).",
    "nu": "The papers' letter: share of the training rows outside.",
    "objective": "Which loss is trained.",
    "on_error": "What becomes of an image that cannot be read or used.",
    "patch_size": "Sides of a patch in pixels.",
    "penalty_weight": "Weight of the gradient penalty in the critic's loss.",
    "pooling": "Which patches make the score of an image.",
    "pretrain_epochs": 'Epochs of the first stage; "auto" as of `max_epochs`.',
    "pretrain_lr": "Learning rate of the first stage; None is `lr`.",
    "probability_share": "Share of the probability in the score, share probability + (1 - share) distance.",
    "reconstruction_weight": "Weight of the L1 distance of row and reconstruction in the loss.",
    "rho": "The paper's letter: share of the training rows that count as atypical.",
    "schedule": "When which term of the loss is trained.",
    "score_function": "Which part, or which combination of parts, is the score.",
    "search_lr": "Learning rate of the search for a code.",
    "search_steps": "Steps of the search for a code.",
    "similarity": "By which rows are split: similarity of a row and its reconstruction.",
    "smoothing": "Gaussian blur of the detector's map, in pixels.",
    "stride": "Pixels from one patch to the next; None is half a patch.",
    "svm": "Second stage.",
    "symmetric": "Whether the distance of two rows takes the squared difference of their codes.",
    "tail": "Whether more error than usual, less, or either is anomalous.",
    "top_fraction": "Share of the places, those most anomalous, that makes the score.",
    "update_interval": 'Epochs between two updates of the centre; "auto" is a sixteenth of all.',
    "vectorized": "Whether all members are trained in one loop.",
    "warm_up_epochs": 'Epochs of the second stage before the centre is set; "auto" is a tenth of all.',
}

REASONS = {
    "batch_size": "The source's (paper or released code) where it has one.",
    "channels": "The best of those that were compared within minutes, see benchmarks.md; networks differ in depth.",
    "contamination": "Methods with a threshold of their own, a radius or the SVM's rho, take it.",
    "gamma": "Two things: see the meaning.",
    "lr": "The source's where it has one, or the best of those that were compared; each docstring says which.",
    "n_components": "PCA takes a share of the variance, networks a width.",
    "noise_std": "Two units: see the meaning.",
    "nu": "Of `OCSVM` scikit-learn's default, of `DeepSVDD` the share that `contamination` has elsewhere.",
    "objective": "Two losses: that of the hypersphere, and that of the cascade.",
    "optimizer": "The authors of f-AnoGAN train its encoder with RMSprop.",
    "pretrain_lr": "`CVAD` and `FAnoGAN` have published rates for each stage.",
    "score_function": "The paper's score of each method.",
    "top_fraction": "Places are pixels of an image, or patches, of which there are far fewer.",
    "weight_decay": "Two papers have a penalty.",
}


def estimators():
    """Exported estimators by name."""
    return {name: getattr(sklearn_occ, name) for name in sklearn_occ.__all__}


def defaults():
    """`{parameter: {default as text: [estimators]}}`, in the order of the names."""
    found = defaultdict(lambda: defaultdict(list))
    for name, estimator in estimators().items():
        for parameter in signature(estimator).parameters.values():
            found[parameter.name][repr(parameter.default)].append(name)
    return found


def check(found):
    """Refuse texts that are missing or that nothing needs."""
    meanings = {**{name: text for group in SHARED.values() for name, text in group.items()}, **OWN}
    several = {name for name, by_value in found.items() if len(by_value) > 1}
    for what, have, need in (("meaning", set(meanings), set(found)), ("reason", set(REASONS), several)):
        if have != need:
            raise ValueError(
                f"docs/make_parameters.py: no {what} for {sorted(need - have)}, and one too many for "
                f"{sorted(have - need)}; write or remove them."
            )


def line(name, meaning, by_value):
    """Row of the table."""
    groups = sorted(by_value.items(), key=lambda item: -len(item[1]))
    texts = []
    for k, (value, names) in enumerate(groups):
        of_all = len(groups) == 1 and len(names) > 6
        whose = "" if of_all else "others" if k == 0 and len(groups) > 1 and len(names) > 6 else ", ".join(names)
        texts.append(f"`{value}`" + (f" ({whose})" if whose else ""))
    return f"| `{name}` | {meaning} | {'; '.join(texts)} | {REASONS.get(name, '')} |"


def text():
    """The whole file."""
    found = defaults()
    check(found)
    own = {name: OWN[name] for name in sorted(OWN)}
    lines = [
        "# Parameters",
        "",
        "Every parameter of every estimator. `python docs/make_parameters.py` writes this page from the signatures;",
        "the docstring of each class says more. A signature has a method's own parameters first, `pretrain_epochs` and",
        "`pretrain_lr` as the last of them, then networks, training, threshold and input, running, in the order below.",
    ]
    for title, group in {"The method's own": own, **SHARED}.items():
        lines += ["", f"## {title}", "", "| parameter | meaning | default | why it differs |", "|---|---|---|---|"]
        lines += [line(name, meaning, found[name]) for name, meaning in group.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(text())
