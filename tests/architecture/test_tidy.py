"""The tidy test: every rule of `tidy.py` holds for every file of the product, and every rule can fail."""

from __future__ import annotations

import pytest

from tests.architecture import tidy
from tests.architecture.house import package_sources, parse, sources


@pytest.mark.parametrize("rule", tidy.RULES, ids=lambda rule: rule.__name__)
def test_the_product_is_tidy(rule: tidy.Rule) -> None:
    found = sorted({sentence for source in package_sources() for sentence in rule(source)})
    assert not found, "\n" + "\n".join(found)


def test_the_tests_are_no_longer_than_the_product_may_be() -> None:
    found = [sentence for source in sources() for sentence in (*tidy.length(source), *tidy.finished(source))]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (tidy.clock, "engine/runtime/timers.py", "from datetime import datetime\nx = datetime.now()"),
        (tidy.clock, "engine/runtime/timers.py", "import datetime as dt\nx = dt.datetime.now(dt.UTC)"),
        (tidy.clock, "gateways/iso8583/link.py", "import asyncio\nasync def f(): await asyncio.sleep(1)"),
        (tidy.clock, "simulator/world.py", "from time import monotonic as tick"),
        (tidy.clock, "issuer/store.py", "import time\ndef f(now=time.time): ..."),
        (tidy.randomness, "engine/vocabulary/identifiers.py", "import uuid\nx = uuid.uuid4()"),
        (tidy.randomness, "engine/runtime/intake.py", "import random"),
        (tidy.randomness, "engine/vault/vault.py", "from secrets import token_bytes"),
        (tidy.randomness, "simulator/people.py", "import random\nx = random.choice([1, 2])"),
        (tidy.randomness, "simulator/people.py", "from random import shuffle"),
        (tidy.environment, "engine/database/connect.py", "import os\nx = os.environ['HOME']"),
        (tidy.environment, "api/cli.py", "from os import getenv"),
        (tidy.printing, "simulator/commands.py", "print('done')"),
        (tidy.printing, "engine/ledger/audit.py", "import sys\nsys.stdout.write('x')"),
        (tidy.inexact, "engine/savings/decide.py", "def f(a, b): return a / b"),
        (tidy.inexact, "engine/savings/decide.py", "def f(a): a /= 2"),
        (tidy.inexact, "engine/ledger/rules.py", "RATE = 0.02"),
        (tidy.inexact, "issuer/cards/model.py", "limit: float"),
        (tidy.libraries, "simulator/network.py", "from iso8583 import encode"),
        (tidy.libraries, "simulator/world.py", "import faker"),
        (tidy.libraries, "engine/savings/accrual.py", "from apscheduler.triggers.cron import CronTrigger"),
        (tidy.libraries, "engine/vault/vault.py", "from cryptography.hazmat.primitives.ciphers import Cipher"),
        (tidy.libraries, "engine/accounts/decide.py", "import asyncio"),
        (tidy.crypto_door, "issuer/decide.py", "from engine.crypto.pin_blocks import encode"),
        (tidy.crypto_door, "gateways/pos.py", "from engine.crypto import mac"),
        (tidy.crypto_door, "engine/vault/vault.py", "from engine.crypto.hsm import SoftwareHsm"),
        (tidy.words, "engine/ledger/utils.py", ""),
        (tidy.words, "api/merchants.py", "class AccountManager: ..."),
        (tidy.words, "api/merchants.py", "def f(data): ..."),
        (tidy.words, "api/merchants.py", "card_info = 1"),
        (tidy.words, "api/merchants.py", "def process_payment(): ..."),
        (tidy.length, "api/long.py", "x = 1\n" * 501),
        (tidy.finished, "api/later.py", "x = 1  # TO" + "DO"),
        (tidy.finished, "api/later.py", "def f(): raise NotImplementedError"),
    ],
)
def test_a_rule_notices(rule: tidy.Rule, path: str, text: str) -> None:
    assert list(rule(parse(path, text)))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (tidy.clock, "engine/runtime/timers.py", "from datetime import datetime\nx = datetime(2026, 1, 2)"),
        (tidy.clock, "gateways/iso8583/link.py", "import asyncio\nasync def f(): await asyncio.sleep(0)"),
        (tidy.randomness, "simulator/people.py", "import random\nx = random.Random(7).random()"),
        (tidy.inexact, "engine/clearing/store.py", "def f(folder): return folder / 'clearing'"),
        (tidy.inexact, "engine/savings/decide.py", "def f(a, b): return a // b"),
        (tidy.crypto_door, "engine/ports.py", "from engine.crypto.door import Hsm"),
        (tidy.crypto_door, "api/system.py", "from engine.crypto.hsm import SoftwareHsm"),
        (tidy.words, "issuer/cards/model.py", "icc_data = client_secret = expected_service_code = processing_code = 1"),
    ],
)
def test_a_rule_lets_pass_what_is_right(rule: tidy.Rule, path: str, text: str) -> None:
    assert not list(rule(parse(path, text)))


def test_every_allowance_is_still_needed() -> None:
    """An allowance that outlived its reason is deleted."""
    existing = {source.path: source for source in package_sources()}
    for path, function in tidy.INEXACT_ALLOWED:
        assert path in existing, path
        names = {name for name, _node in tidy._within_functions(existing[path].tree)}
        assert function in names, f"{path}: {function}"
