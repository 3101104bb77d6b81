"""pyproject.toml: the lowest versions that are tested are those it allows, and one place has the version."""

import re
import tomllib
from pathlib import Path

import pytest

import sklearn_occ

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_TESTED = {"bench", "dev"}  # extras of the benchmarks and of developers
FLOORS = PROJECT["dependencies"] + [
    one for extra, them in PROJECT["optional-dependencies"].items() if extra not in NOT_TESTED for one in them
]


def pinned(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines)


@pytest.mark.parametrize("requirement", FLOORS)
def test_the_lowest_versions_are_the_floors(requirement):
    name, floor = re.fullmatch(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", requirement).groups()
    version = pinned("requirements-lowest.lock")[name]
    assert f"{version}.".startswith(f"{floor}."), f"{name} {version} is tested, {floor} promised"


def test_the_pinned_versions_allow_every_requirement():
    assert {re.match(r"[\w-]+", one)[0] for one in FLOORS} <= set(pinned("requirements.lock"))


def test_the_version_is_written_once():
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", sklearn_occ.__version__)
    assert not re.search(r"^version:", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
