"""The command that runs the benchmarks of a GPU: one that hangs or fails does not keep the others from running."""

import importlib.util
import os
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("gpu", BENCHMARKS / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


def test_a_script_that_hangs_or_fails_leaves_time_to_the_next(gpu, tmp_path, capfd):
    child = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    (tmp_path / "hangs.py").write_text(
        "import subprocess, sys\nprint('a line')\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], cwd={str(tmp_path)!r})\n"
    )
    (tmp_path / "fails.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "works.py").write_text("import sys\nprint(sys.argv[1])\n")
    ends = gpu.run_all({"hangs.py": 1, "fails.py": 1, "works.py --device": 1}, 30)
    assert [end.split()[0] for end in ends.values()] == ["stopped", "failed", "ended"]
    printed = capfd.readouterr().out
    assert "a line" in printed and "--device\n" in printed
    child = int((tmp_path / "pid").read_text())
    for _ in range(50):  # until the system has taken it away
        if not is_running(child):
            return
        time.sleep(0.1)
    pytest.fail("the process that the script had begun still runs")


def is_running(process):
    try:
        os.kill(process, 0)
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_what_it_runs_is_there(gpu):
    for command in gpu.BENCHMARKS:
        assert (BENCHMARKS / command.split()[0]).is_file()
