"""The rule that no test is skipped, tried on a run of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

EVASIONS = {
    "skip mark": "import pytest\n@pytest.mark.skip(reason='later')\ndef test_it(): assert True\n",
    "skip call": "import pytest\ndef test_it(): pytest.skip('later')\n",
    "skipped module": "import pytest\npytest.importorskip('no_such_module_anywhere')\ndef test_it(): pass\n",
    "expected failure": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
    "unexpected pass": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert True\n",
    "no test": "def not_a_test(): pass\n",
}


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    test = folder / "test_it.py"
    test.write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.architecture.no_skips", "-p", "no:cacheprovider"]
    where = ["-c", str(folder / "pytest.ini"), "--rootdir", str(folder), str(test)]
    return subprocess.run([*command, *where], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("evasion", EVASIONS)
def test_a_run_with_a_test_that_did_not_run_fails(tmp_path: Path, evasion: str) -> None:
    finished = run(tmp_path, EVASIONS[evasion])
    assert finished.returncode != 0, finished.stdout
    assert "INTERNALERROR" not in finished.stdout + finished.stderr


def test_a_run_of_passing_tests_passes(tmp_path: Path) -> None:
    finished = run(tmp_path, "def test_it(): assert True\n")
    assert finished.returncode == 0, finished.stdout
