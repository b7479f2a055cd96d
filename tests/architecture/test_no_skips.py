"""The rule that no test is skipped, tried on a run of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

EVASIONS = {
    "test_skip_mark": "import pytest\n@pytest.mark.skip(reason='later')\ndef test_it(): assert True\n",
    "test_skip_call": "import pytest\ndef test_it(): pytest.skip('later')\n",
    "test_skipped_module": "import pytest\npytest.importorskip('no_such_module_anywhere')\ndef test_it(): pass\n",
    "test_expected_failure": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n",
    "test_unexpected_pass": "import pytest\n@pytest.mark.xfail\ndef test_it(): assert True\n",
}


def test_each_test_that_did_not_run_fails_and_the_others_pass(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name, text in {**EVASIONS, "test_plain": "def test_it(): assert True\n"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.architecture.no_skips", "-p", "no:cacheprovider", "-rA"]
    where = ["--continue-on-collection-errors", "-c", str(tmp_path / "pytest.ini"), "--rootdir", str(tmp_path)]
    finished = subprocess.run([*command, *where, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 1, finished.stdout
    outcomes = {
        Path(line.split()[1].split("::")[0]).stem: line.split()[0]
        for line in finished.stdout.splitlines()
        if line.startswith(("PASSED ", "FAILED ", "ERROR ", "SKIPPED ", "XFAIL ", "XPASS "))
    }
    assert outcomes.pop("test_plain") == "PASSED"
    assert set(outcomes) == set(EVASIONS)
    assert set(outcomes.values()) <= {"FAILED", "ERROR"}
