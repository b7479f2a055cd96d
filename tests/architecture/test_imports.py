"""The import contracts of `pyproject.toml` hold, and each of them can fail."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.house import PACKAGES, ROOT

# A module and the import that it must not make: one at least for each contract.
FORBIDDEN = {
    "engine/ledger/planted.py": "import issuer",
    "api/planted.py": "import simulator",
    "issuer/planted.py": "import gateways",
    "engine/vocabulary/planted.py": "import engine.ledger",
    "engine/merchants/planted.py": "import engine.settlement",
    "engine/accounts/planted.py": "import engine.savings",
    "engine/runtime/planted.py": "import engine.clearing",
    "engine/ledger/planted_below.py": "import engine.runtime",
    "engine/crypto/planted.py": "import engine.database",
    "engine/transfers/planted.py": "import engine.authorization",
    "engine/clearing/planted.py": "import engine.accounts",
    "engine/settlement/decide.py": "import time",
    "engine/savings/model.py": "import sqlalchemy",
    "gateways/pos/planted.py": "import engine.ledger",
    "gateways/atm/planted.py": "import gateways.pos.planted",
    "issuer/planted_stage.py": "import engine.authorization",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ["--no-logo", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def contracts(output: str) -> dict[str, bool]:
    """Name of each contract and whether it was kept."""
    joined = re.sub(r"\s+", " ", output.rsplit("dependencies.", maxsplit=1)[-1])
    return {name.strip(" -"): verdict == "KEPT" for name, verdict in re.findall(r"(.+?) (KEPT|BROKEN)\b", joined)}


def test_every_contract_is_kept() -> None:
    finished = lint(ROOT)
    assert finished.returncode == 0, finished.stdout


def test_every_contract_notices_a_wrong_import(tmp_path: Path) -> None:
    """The same packages, empty but for one wrong import each, break every contract."""
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.touch()
    for path, line in FORBIDDEN.items():
        planted = tmp_path / path
        planted.parent.mkdir(parents=True, exist_ok=True)
        (planted.parent / "__init__.py").touch()
        planted.write_text(line + "\n")
    finished = lint(tmp_path)
    assert finished.returncode == 1, finished.stdout
    kept = contracts(finished.stdout)
    assert len(kept) >= 12
    assert not any(kept.values()), [name for name, is_kept in kept.items() if is_kept]
    for path, line in FORBIDDEN.items():
        importer = path.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {line.removeprefix('import ')}" in finished.stdout, f"{path}: {line}"
