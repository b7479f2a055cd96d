"""A revision that has landed is never edited: a correction is a new one, for databases stand that were made by it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine/database/migrations/versions/engine", "engine/database/migrations/versions/public")
PACKAGES = ("issuer/migrations", "simulator/migrations")

LANDED = {
    "engine/database/migrations/versions/engine/engine_0001.py": "d88b5c877a654a0219205fb355e83d6f",
    "engine/database/migrations/versions/engine/engine_0002.py": "a35ba73db116faf7f1835f2323a4501c",
    "engine/database/migrations/versions/engine/engine_0003.py": "93495401fc845bf3ea69abb2b9b30ce1",
    "engine/database/migrations/versions/engine/engine_0004.py": "f637045da4eb47afbd0f9a17a3a35062",
    "engine/database/migrations/versions/engine/engine_0006.py": "addfce6ccaba14984da2a41849d859a5",
    "engine/database/migrations/versions/engine/engine_0008.py": "2b354b98ae002e0ad29ebc2fa9e79bd2",
    "engine/database/migrations/versions/engine/engine_0012.py": "a9ecae107e8fdeee960b78eec9f1a323",
    "engine/database/migrations/versions/engine/engine_0009.py": "113f4c4e0ac00cf347354a760b30d554",
    "engine/database/migrations/versions/public/public_0001.py": "84033a804c34b804f116656a476d7a1b",
    "issuer/migrations/issuer_0001.py": "a57bcc3ec32d18e3e9b6400c4dc0d181",
    "issuer/migrations/issuer_0002.py": "09dd0c7e12efbef4d854640171ba3447",
    "issuer/migrations/issuer_0003.py": "1c76786647963400ee01fc2525ceef2f",
    "issuer/migrations/issuer_0006.py": "35387e2e2c593a2c8ee8b7a82fc32f36",
    "issuer/migrations/issuer_0008.py": "2cc2a1ad8aac9069654e581f393fc8d5",
    "simulator/migrations/simulator_0001.py": "57066c3f312316006989781c062fa38f",
    "simulator/migrations/simulator_0004.py": "cb3f8aa090fd0d8b6c5e472c8410c416",
    "simulator/migrations/simulator_0005.py": "7ecb5961fb1b2a28b07651404f99e953",
}
"""The first 32 hexadecimal digits of each file's SHA-256. A new revision adds its line; no line ever changes."""


def test_landed_revisions_are_as_they_landed() -> None:
    found = {
        str(path.relative_to(ROOT)): sha256(path.read_bytes()).hexdigest()[:32]
        for folder in (*FOLDERS, *PACKAGES)
        for path in sorted((ROOT / folder).glob("*_[0-9]*.py"))
    }
    assert found == LANDED
