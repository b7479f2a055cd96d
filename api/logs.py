"""Log lines: one per event, to stderr, for people or as JSON, ours and the libraries' by the same way.

Nothing sensitive is logged in the first place. The masking here is the second line of defence (PCI DSS 3.4: at most the
first six and the last four digits of a card number). It sees each line last, when messages and exceptions are text.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog

SENSITIVE_NAMES = frozenset(
    {"pan", "pin", "pin_block", "track1", "track2", "cvv", "cvv2", "cvc", "key", "master_key", "password", "secret"}
)
"""Fields whose value never appears, whatever it is."""

# A track is a card number, a separator ("D" is "=" in packed form) and the rest, of which nothing may stay (ISO 7813).
_TRACK = re.compile(r"(?<!\d)\d{12,19}[=D^]\S+")
_GROUPED = re.compile(r"(?<!\d)\d{4}[ -]\d{4,6}[ -]\d{4,5}(?:[ -]\d{1,7})?(?!\d)")
# Longer than any RRN, STAN or amount; a length prefix that is glued to the number is masked with it.
_DIGITS = re.compile(r"\d{13,}")


QUIET_LIBRARIES = ("alembic", "apscheduler", "asyncio", "uvicorn")
"""Libraries that tell every step they take: heard from warnings on, unless everything is wanted."""


def mask(text: str) -> str:
    """`text` with everything that looks like a card number cut to its first six and last four digits.

    >>> mask("card 4111111111111111 at terminal 12345678")
    'card 411111******1111 at terminal 12345678'
    >>> mask("4111 1111 1111 1111")
    '411111******1111'
    >>> mask("5413330089020011=2512101079360805")
    '[track]'
    """
    text = _TRACK.sub("[track]", text)
    text = _GROUPED.sub(lambda found: _cut(re.sub(r"[ -]", "", found[0])), text)
    return _DIGITS.sub(lambda found: _cut(found[0]), text)


def _cut(digits: str) -> str:
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:]


def _masked(value: object) -> object:
    """The same for what a log line may hold; bytes are never shown, only counted."""
    match value:
        case str():
            return mask(value)
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case bool() | None:
            return value
        case int():
            shown = mask(str(value))
            return value if shown == str(value) else shown
        case Mapping():
            return {name: _masked_field(str(name), field) for name, field in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(item) for item in value]
        case _:
            return mask(str(value))


def _masked_field(name: str, value: object) -> object:
    return "[hidden]" if name.lower() in SENSITIVE_NAMES else _masked(value)


def _mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _masked_field(name, value) for name, value in event.items()}


def set_up_logs(level: str, log_format: Literal["console", "json"], stream: TextIO = sys.stderr) -> None:
    """Send what is logged from now on, at `level` and above, to `stream`. May be called again; the last call counts."""
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_event,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for library in QUIET_LIBRARIES:
        logging.getLogger(library).setLevel(logging.NOTSET if level == "debug" else max(root.level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
