"""CIFAR-10 from archives in its publisher's format, whole and broken."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from sklearn_occ.datasets import _cifar10, fetch_cifar10

RNG = np.random.default_rng(0)
FOLDER = "cifar-10-batches-bin"
NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
IMAGES = {name: RNG.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8) for name in NAMES}
LABELS = {name: RNG.permutation(10)[:4].astype(np.uint8) for name in NAMES}
LABELS["test_batch.bin"] = np.array([2, 0, 7, 2], dtype=np.uint8)


def batches():
    """The publisher's format: a label, then 1024 red, 1024 green and 1024 blue values, row by row."""
    return {
        name: b"".join(bytes([y]) + x.tobytes() for y, x in zip(LABELS[name], IMAGES[name], strict=True))
        for name in NAMES
    }


def archive(files, kind=tarfile.REGTYPE, folder=f"{FOLDER}/"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}{name}")
            member.type, member.linkname = kind, "/etc/passwd"
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def publish(server, content):
    server.publish("cifar-10-binary.tar.gz", content)
    return server


@pytest.mark.parametrize("order", [1, -1])
def test_download_of_the_archive(server, tmp_path, order):
    files = {"readme.html": b"<p>", **batches(), "batches.meta.txt": b"airplane\n"}
    publish(server, archive(dict(list(files.items())[::order])))
    X = np.concatenate([IMAGES[name] for name in NAMES[:5]])
    y = np.concatenate([LABELS[name] for name in NAMES[:5]])
    for majority in range(10):
        data = fetch_cifar10(majority, data_home=tmp_path)
        np.testing.assert_array_equal(data.X_train, X[y == majority])
        np.testing.assert_array_equal(data.X_test, IMAGES["test_batch.bin"])
        np.testing.assert_array_equal(data.y_test, np.where(LABELS["test_batch.bin"] == majority, 1, -1))
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert data.X_test.flags.writeable
    assert data.image_shape == (3, 32, 32)
    assert data.DESCR.startswith("CIFAR-10: truck (class 9) against the rest\n")
    assert "4 test images, 0 of class 9" in data.DESCR
    assert server.requests == ["/cifar-10-binary.tar.gz"]
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_a_provided_file_comes_first(server, tmp_path, monkeypatch):
    X, y = IMAGES["test_batch.bin"], LABELS["test_batch.bin"]
    np.savez(tmp_path / "cifar10.npz", X_train=X, y_train=y, X_test=X[:3], y_test=y[:3])
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    data = fetch_cifar10(2, data_home=tmp_path)
    np.testing.assert_array_equal(data.X_train, X[[0, 3]])
    np.testing.assert_array_equal(data.y_test, [1, -1, -1])
    assert server.requests == []
    assert "cifar10.npz in SKLEARN_OCC_DATA" in data.DESCR


def test_a_provided_file_with_its_channels_last_is_refused(tmp_path, monkeypatch):
    X, y = np.moveaxis(IMAGES["test_batch.bin"], 1, -1), LABELS["test_batch.bin"]
    np.savez(tmp_path / "cifar10.npz", X_train=X, y_train=y, X_test=X, y_test=y)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"of shape \(4, 32, 32, 3\), expected uint8 of shape \(n, 3, 32, 32\)"):
        fetch_cifar10(2)


def without_last_byte(files):
    return files | {"data_batch_3.bin": files["data_batch_3.bin"][:-1]}


def broken_archives():
    files = batches()
    whole = archive(files)
    return {
        "cut": (whole[: len(whole) // 2], "ended before|unexpected end"),
        "page": (b"<html>moved</html>", "[Nn]ot a gzip"),
        "no tar": (gzip.compress(b"text" * 1000), "."),
        "empty": (archive({}), "it holds no cifar-10-batches-bin/data_batch_1.bin"),
        "elsewhere": (archive(files, folder="../"), "it holds no cifar-10-batches-bin/data_batch_1.bin"),
        "without test": (archive(dict(list(files.items())[:5])), "it holds no cifar-10-batches-bin/test_batch.bin"),
        "links": (archive(files, tarfile.SYMTYPE), "data_batch_1.bin has 0 bytes, expected a file"),
        "short": (archive(without_last_byte(files)), "data_batch_3.bin has 12291 bytes, .* 3073 for each image"),
        "label": (archive(files | {"test_batch.bin": b"\x0a" + bytes(3072)}), "test_batch.bin holds the label 10"),
    }


@pytest.mark.parametrize("name", broken_archives())
def test_a_broken_archive_is_told_in_one_sentence(server, tmp_path, name):
    content, message = broken_archives()[name]
    publish(server, content)
    with pytest.raises(ValueError, match=r"tar\.gz' cannot be read as the binary version of CIFAR-10 \(") as caught:
        fetch_cifar10(data_home=tmp_path)
    assert caught.match(message)
    assert str(caught.value).endswith("): remove it, and it is downloaded anew.")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("name", ["data_batch_1.bin", "filler"])
def test_an_archive_that_grows_beyond_its_size_is_not_read_to_its_end(server, tmp_path, monkeypatch, name):
    monkeypatch.setattr(_cifar10, "_BATCH_BYTES", 4 * 3073)
    monkeypatch.setattr(_cifar10, "_MOST_BYTES", 7 * 4 * 3073)
    publish(server, archive(batches() | {name: bytes(50 * 3073)}))
    with pytest.raises(
        ValueError, match=r"has 153650 bytes, expected a file of at most 12292|more than the six batches"
    ):
        fetch_cifar10(data_home=tmp_path)
    publish(server, archive({"readme.html": bytes(100), **batches()}))
    assert len(fetch_cifar10(data_home=tmp_path).X_test) == 4


def test_a_header_that_announces_more_than_there_is_takes_no_memory(server, tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**40
    publish(server, gzip.compress(header.tobuf() + bytes(10240)))
    with pytest.raises(ValueError, match="cannot be read as the binary version of CIFAR-10"):
        fetch_cifar10(data_home=tmp_path)


def test_limits_fit_the_published_archive():
    assert _cifar10._BATCH_BYTES == 30_730_000
    assert 6 * 30_730_000 < _cifar10._MOST_BYTES < 2**28


def test_offline(server, tmp_path):
    publish(server, archive(batches()))
    server.stop()
    with pytest.raises(OSError, match="check the connection"):
        fetch_cifar10(data_home=tmp_path)


@pytest.mark.parametrize(
    "parameters", [{"majority": -1}, {"majority": "cat"}, {"data_home": 3}, {"download_if_missing": "no"}]
)
def test_bad_parameters_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        fetch_cifar10(**parameters)
