"""Terminal and other bank are strangers: they prove what a user's own box meets, so none of our code is in them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.house import PACKAGES

FOREIGN = {"iso8583", "cryptography"}


@pytest.mark.parametrize("program", ["terminal.py", "other_bank.py"])
def test_a_stranger_imports_nothing_of_ours(program: str) -> None:
    tree = ast.parse(Path(__file__).with_name(program).read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported >= FOREIGN, "it speaks ISO 8583 and encrypts PINs by libraries"
    assert not imported & {*PACKAGES, "tests"}
