"""`bezant authorizations`: why one was answered as it was, and what other rules would have answered."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from api.commands.options import JsonFile
from engine.vocabulary.errors import BezantError, FormatError

commands = typer.Typer()
group = typer.Typer(help="What cards were asked for, and why it was answered so.", no_args_is_help=True)
commands.add_typer(group, name="authorizations")

Bank = Annotated[str, typer.Option("--institution", help="The bank that decided.")]


@group.command("explain")
def explain(authorization_id: Annotated[str, typer.Argument(metavar="ID")], institution: Bank = "bank") -> None:
    """Tell one authorization: what was asked, every check in order, what it was decided on, and how it stands."""
    from api.settings import load_settings
    from api.system import opened
    from issuer.authorization.explanation import facts_of, steps
    from issuer.authorization.store import find_authorization

    try:
        identifier = UUID(authorization_id)
    except ValueError:
        raise BezantError(f"{authorization_id!r} is no identifier of an authorization.") from None
    with opened(load_settings()) as system:
        bank = system.institution(institution)
        with system.database.institution(bank.name).connect() as connection:
            found = find_authorization(connection, identifier)
    if found is None:
        raise BezantError(f"{institution} has no authorization {identifier}.")
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{found.id} ({found.network_reference}), {found.authorized_on}: {found.requested_minor} {found.asset} at"
        f" {found.merchant_name.strip() or found.merchant_id}",
        markup=False,
    )
    console.print(f"answered {found.response_code}, {found.amount_minor} approved; now {found.state}", markup=False)
    checks = Table("Place", "Check", "", box=None)
    for step in steps(found):
        checks.add_row(step.place, step.reason, "[red]against it[/]" if step.failed else "passed")
    console.print(checks)
    facts = Table("Fact", "Value", box=None)
    for name, value in facts_of(found).items():
        facts.add_row(name, json.dumps(value))
    console.print(facts)
    for scored in found.considered.get("scored") or ():  # type: ignore[union-attr]
        console.print(f"risk rules: {json.dumps(scored)}", markup=False)


@group.command("try-rules")
def try_rules(
    rules_file: Annotated[Path, typer.Argument(help="JSON: version, threshold and rules, as they are installed.")],
    since: Annotated[str, typer.Option(help="The first business date, YYYY-MM-DD.")],
    until: Annotated[str, typer.Option(help="The last business date.")],
    institution: Bank = "bank",
    json_file: JsonFile = None,
) -> None:
    """Ask a set of risk rules about what is past: which authorizations would have ended otherwise. Changes nothing."""
    from api.settings import load_settings
    from api.system import opened
    from issuer.authorization.explanation import tried
    from issuer.authorization.store import past_authorizations

    rules = _rules(rules_file)
    first, last = _date(since), _date(until)
    asked, differing = 0, []
    with opened(load_settings()) as system:
        bank = system.institution(institution)
        with system.database.institution(bank.name).connect() as connection:
            for one in tried(past_authorizations(connection, first, last), rules):
                asked += 1
                if one is not None:
                    differing.append(one)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{asked} authorizations asked about, {len(differing)} would have ended otherwise.")
    table = Table("Authorization", "Answered", "Would be", "Score", "Rules", box=None)
    for one in differing:
        would = "declined" if one.would_decline else "not declined by rules"
        table.add_row(
            str(one.authorization.id), one.authorization.response_code, would, str(one.score), " ".join(one.reasons)
        )
    console.print(table)
    if json_file is not None:
        told = [
            {"id": str(one.authorization.id), "score": one.score, "reasons": one.reasons, "declines": one.would_decline}
            for one in differing
        ]
        json_file.write_text(json.dumps({"asked": asked, "differing": told}, indent=1) + "\n")


def _rules(file: Path) -> Any:
    from uuid import UUID

    from api.clock import machine_now
    from issuer.authorization.risk import InstallRiskRules, RiskRules, RuleSetState, fault_of

    try:
        said = json.loads(file.read_text())
        request = InstallRiskRules(
            version=int(said["version"]),
            state=RuleSetState.SHADOW,
            threshold=int(said["threshold"]),
            rules=tuple(said["rules"]),
            reference="",
        )
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError):
        raise BezantError(f"{file} is no set of rules: it takes version, threshold and rules, in JSON.") from None
    if (fault := fault_of(request)) is not None:
        raise BezantError(f"{file} is no set of rules: {fault}.")
    return RiskRules(
        id=UUID(int=0),
        version=request.version,
        state=request.state,
        threshold=request.threshold,
        rules=request.rules,
        installed_at=machine_now(),
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FormatError("date", "is not YYYY-MM-DD") from None
