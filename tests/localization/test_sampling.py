"""New patches in each epoch: where they come from, and that a fit on them can be resumed."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_occ.localization._sampling import RenewedPatches


class Rows(Callback):
    """Keep the rows of each epoch, for all copies of the callback."""

    seen: list = []

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        self.seen.append(dataset_train.clone())


def test_a_network_gets_new_patches_in_each_epoch(images, rng, quick):
    Rows.seen.clear()
    occ = quick(n_patches=13).set_params(estimator__max_epochs=3, estimator__callbacks=[Rows()]).fit(images)
    first, second, third = Rows.seen
    assert first.shape == (13, 1, 16, 16)
    assert not torch.equal(first, second) and not torch.equal(second, third)
    windows = {
        image[top : top + 16, left : left + 16].tobytes()
        for image in images
        for top in range(image.shape[0] - 15)
        for left in range(image.shape[1] - 15)
    }
    assert all(patch.numpy().tobytes() in windows for patch in torch.cat(Rows.seen)[:, 0])
    assert len(pickle.dumps(occ)) < len(pickle.dumps(quick().fit(images))) + 2**12  # no images
    (renewed,) = (callback for callback in occ.estimator_.net_.callbacks if isinstance(callback, RenewedPatches))
    assert renewed.draw is None  # it would hold the images
    again = clone(occ.estimator_).fit(images[0][np.newaxis, :16, :16].repeat(4, axis=0) + rng.normal(size=(4, 16, 16)))
    assert [type(callback) for callback in again.callbacks] == [Rows]  # no images of the detector's
    assert not torch.equal(Rows.seen[-1], Rows.seen[0])
    assert torch.equal(Rows.seen[-1], Rows.seen[-2])


def test_random_patches_are_spread_over_images_and_need_tissue(tissue, quick):
    images = [tissue((40, 40), k) * 0.1 + k for k in range(3)]
    Rows.seen.clear()

    def right_half(image):
        return np.arange(image.shape[1]) * np.ones((image.shape[0], 1)) >= 20

    quick(n_patches=20, foreground=right_half, min_foreground=1.0).set_params(
        estimator__max_epochs=1, estimator__callbacks=[Rows()]
    ).fit(images)
    counts = np.bincount(Rows.seen[0].mean(dim=(1, 2, 3)).int().numpy(), minlength=3)
    assert sorted(counts.tolist()) == [6, 7, 7]
    right = {image[:, 20:].tobytes() for image in images}
    windows = {
        np.frombuffer(half, np.float32).reshape(40, 20)[top : top + 16, left : left + 16].tobytes()
        for half in right
        for top in range(25)
        for left in range(5)
    }
    assert all(patch.numpy().tobytes() in windows for patch in Rows.seen[0][:, 0])


def test_fewer_patches_than_images_come_from_others_in_each_epoch(tissue, quick):
    images = [tissue((20, 20), k) * 0.1 + k for k in range(6)]
    Rows.seen.clear()
    quick(n_patches=2).set_params(estimator__max_epochs=8, estimator__callbacks=[Rows()]).fit(images)
    of_epochs = [frozenset(rows.mean(dim=(1, 2, 3)).int().tolist()) for rows in Rows.seen]
    assert all(len(of_epoch) == 2 for of_epoch in of_epochs)
    assert len(set(of_epochs)) > 3


def test_a_file_that_vanishes_while_a_network_trains_ends_the_fit(tissue, tmp_path, quick, files_of):
    paths = files_of([tissue((40, 48), k) for k in range(4)], tmp_path)

    class Remove(Callback):
        def on_epoch_end(self, net, **kwargs):
            (tmp_path / "2.png").unlink(missing_ok=True)

    occ = quick(n_patches=9, on_error="skip").set_params(estimator__max_epochs=3, estimator__callbacks=[Remove()])
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match="of 9 patches are missing"):
        occ.fit(paths)


def test_a_killed_fit_on_new_patches_goes_on(images, tmp_path, quick):
    whole = quick(n_patches=12).set_params(estimator__max_epochs=4, estimator__random_state=1).fit(images)

    class Killed(Exception):
        pass

    class Kill(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if net.epochs_[net.stage_] == 2 and not (tmp_path / "again").exists():
                (tmp_path / "again").touch()
                raise Killed

    occ = quick(n_patches=12).set_params(
        estimator__max_epochs=4,
        estimator__random_state=1,
        estimator__checkpoint=str(tmp_path / "fit.pt"),
        estimator__callbacks=[Kill()],
    )
    with pytest.raises(Killed):
        occ.fit(images)
    assert not hasattr(occ, "estimator_")
    np.testing.assert_array_equal(occ.fit(images).score_samples(images), whole.score_samples(images))


def test_streamed_rows_are_renewed_too(images, monkeypatch, quick):
    from sklearn_occ._engine.rows import _streaming

    resident = quick(n_patches=12).fit(images).score_samples(images)
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: 0)
    np.testing.assert_array_equal(quick(n_patches=12).fit(images).score_samples(images), resident)
