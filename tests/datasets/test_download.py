import re
import sys
from pathlib import Path

import pooch
import pytest

from sklearn_occ.datasets import _download
from sklearn_occ.datasets._download import REMOTE_FILES, cache_folder, fetch_file, provided_file

CONTENT = bytes(range(256)) * 40


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(server, tmp_path):
    server.publish("data.bin", CONTENT)
    home = tmp_path / "new" / "folder"
    path = fetch_file("data.bin", data_home=home, download_if_missing=True)
    assert path == home / "data.bin"
    assert path.read_bytes() == CONTENT
    assert server.requests == ["/data.bin"]
    assert fetch_file("data.bin", data_home=str(home), download_if_missing=True) == path
    server.stop()
    assert fetch_file("data.bin", data_home=home, download_if_missing=True) == path
    assert fetch_file("data.bin", data_home=home, download_if_missing=False) == path
    assert server.requests == ["/data.bin"]


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_damaged_cached_file_is_downloaded_again(server, tmp_path, algorithm):
    server.publish("data.bin", CONTENT, algorithm)
    (tmp_path / "data.bin").write_bytes(b"damaged")
    with pytest.raises(OSError, match="does not have the checksum"):
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=False)
    assert fetch_file("data.bin", data_home=tmp_path, download_if_missing=True).read_bytes() == CONTENT


def test_a_wrong_checksum_is_an_error_that_leaves_no_file(server, tmp_path):
    server.publish("data.bin", CONTENT)
    server.files["data.bin"] = CONTENT[:-1] + b"x"
    with pytest.raises(OSError, match="discarded, its checksum is not md5:") as caught:
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=True)
    assert f"{server.address}/data.bin" in str(caught.value)
    assert str(tmp_path / "data.bin") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_transfer_is_an_error_that_leaves_no_file(server, tmp_path):
    server.publish("data.bin", CONTENT)
    server.withheld_bytes = 100
    with pytest.raises(OSError, match=r"data\.bin"):
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", ["server gone", "no such page"])
def test_the_offline_error_names_the_address_and_the_place_by_hand(server, tmp_path, failure):
    server.publish("data.bin", CONTENT)
    if failure == "server gone":
        server.stop()
    else:
        del server.files["data.bin"]
    with pytest.raises(OSError, match="could not be downloaded from") as caught:
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=True)
    expected = f"download {server.address}/data.bin by hand and save it as {str(tmp_path / 'data.bin')!r}"
    assert expected in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_connection_of_an_error_page_is_closed(server, tmp_path):
    server.publish("data.bin", CONTENT)
    del server.files["data.bin"]
    with pytest.raises(OSError, match="404") as caught:
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=True)
    assert caught.value.__cause__.response.raw.closed


def test_download_if_missing_false_asks_no_server(server, tmp_path):
    server.publish("data.bin", CONTENT)
    with pytest.raises(OSError, match="set download_if_missing=True, or download http"):
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=False)
    assert server.requests == []


@pytest.mark.parametrize("has_tqdm", [True, False])
def test_a_progress_bar_only_where_tqdm_is_installed(server, tmp_path, monkeypatch, capsys, has_tqdm):
    pytest.importorskip("tqdm", reason="the progress bar is tqdm's")
    if not has_tqdm:
        monkeypatch.setattr(_download, "find_spec", lambda name: None)
    server.publish("data.bin", CONTENT)
    fetch_file("data.bin", data_home=tmp_path, download_if_missing=True)
    assert ("10.2k/10.2k" in capsys.readouterr().err) is has_tqdm


def test_without_pooch_the_error_says_what_to_install(server, tmp_path, monkeypatch):
    server.publish("data.bin", CONTENT)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=re.escape('pip install "sklearn_occ[images]"')):
        fetch_file("data.bin", data_home=tmp_path, download_if_missing=True)


def test_the_default_cache_folder_is_poochs():
    assert cache_folder(None) == Path(pooch.os_cache("sklearn_occ"))
    assert cache_folder("~/somewhere") == Path.home() / "somewhere"


def test_provided_files_are_those_of_the_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    assert provided_file("data.bin") is None
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert provided_file("data.bin") == tmp_path / "data.bin"
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path / "absent"))
    with pytest.raises(NotADirectoryError, match=r"SKLEARN_OCC_DATA is '.*absent', which is not a folder"):
        provided_file("data.bin")
    monkeypatch.delenv("SKLEARN_OCC_DATA")
    assert provided_file("data.bin") is None


def test_every_public_file_has_a_secure_address_and_a_full_checksum():
    digits = {"md5": 32, "sha256": 64}
    for url, checksum in REMOTE_FILES.values():
        algorithm, digest = checksum.split(":")
        assert url.startswith("https://")
        assert re.fullmatch("[0-9a-f]+", digest)
        assert len(digest) == digits[algorithm]
