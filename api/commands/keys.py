"""`bezant keys`: the custody of an institution's keys, and ceremonies. No command shows a key; components are shown
once, each for its custodian.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from engine.vocabulary.errors import BezantError

if TYPE_CHECKING:
    from engine.crypto.door import KeyRecord, KeyUsage
    from engine.crypto.hsm.custody import Custody

commands = typer.Typer(
    name="keys", help="The keys of an institution: make, import, export, list, rotate.", no_args_is_help=True
)

InstitutionName = Annotated[str, typer.Argument(help="Whose HSM, e.g. bank.")]
Usage = Annotated[str, typer.Argument(help="What the key is for, as `bezant keys list` names it.")]
Owner = Annotated[
    str | None,
    typer.Option("--pair", help="For what two parties share: the other party, e.g. simnet.", metavar="PARTY"),
]
Checked = Annotated[str, typer.Option("--kcv", help="The check value that the key must have.", metavar="HEX")]


@commands.command("list")
def listed(institution: InstitutionName) -> None:
    """Show which keys an institution holds: usage, owner, version, state and check value."""
    with _custody(institution) as custody:
        records = custody.records()
    table = Table("Usage", "Owner", "Version", "State", "KCV", "Block", box=None)
    for one in records:
        block = f"{one.key_block[0]} {one.key_block[5:9]}"
        table.add_row(one.name.usage, one.name.owner, str(one.name.version), one.state.value, one.check_value, block)
    Console(highlight=False).print(table)


@commands.command("generate")
def generate(
    institution: InstitutionName,
    usage: Usage,
    pair: Owner = None,
    components: Annotated[
        int, typer.Option(help="Show the new key in this many components (2 to 9), for as many custodians.")
    ] = 0,
) -> None:
    """Make a new random key: the first version, or a pending one that `activate` makes current."""
    from api.keys import require_rotatable

    chosen, owner = _usage(usage), _owner(institution, pair)
    require_rotatable(chosen)
    with _custody(institution) as custody:
        if not components:
            _tell_key(custody.generate(chosen, owner))
            return
        record, parts = custody.components(chosen, owner, components)
    for number, (part, check_value) in enumerate(parts, start=1):
        _tell(f"Component {number}: {part.hex().upper()}  KCV {check_value}")
    _tell_key(record)


@commands.command("import")
def take_in(
    institution: InstitutionName,
    usage: Usage,
    *,
    pair: Owner = None,
    kcv: Checked = "",
    block: Annotated[
        str, typer.Option(help="A TR-31 key block of version B or D; without it, components are asked for.")
    ] = "",
    under: Annotated[
        str, typer.Option(help="Whose zone master key the block is under; the --pair unless given.", metavar="PARTY")
    ] = "",
    components: Annotated[int, typer.Option(help="How many components there are.")] = 2,
) -> None:
    """Take a key in: from its components, typed without echo by their custodians, or from a key block."""
    from api.keys import require_rotatable
    from engine.crypto.door import pair_name

    chosen, owner = _usage(usage), _owner(institution, pair)
    require_rotatable(chosen)
    with _custody(institution) as custody:
        if block:
            party = under or pair
            if party is None:
                raise BezantError("Say whose zone master key the block is under: --under PARTY.")
            _tell_key(custody.import_block(chosen, owner, block, pair_name(institution, party), kcv or None))
            return
        if not kcv:
            raise BezantError("Say the check value of the whole key, so that a wrong component shows: --kcv HEX.")
        parts = [_component(number) for number in range(1, components + 1)]
        _tell_key(custody.import_components(chosen, owner, parts, kcv))


@commands.command("export")
def export(
    institution: InstitutionName,
    key_id: Annotated[str, typer.Argument(help="The key, as OWNER:USAGE:VERSION, e.g. bank/simnet:mac:1.")],
    under: Annotated[str, typer.Option(help="Whose zone master key it leaves under, e.g. simnet.", metavar="PARTY")],
) -> None:
    """Give a key out as a TR-31 key block under a zone master key. Only keys that were made to be shared leave."""
    from engine.crypto.door import KeyName, pair_name

    with _custody(institution) as custody:
        exported = custody.export(KeyName.from_key_id(key_id), pair_name(institution, under))
    _tell(exported.key_block)
    _tell(f"{exported.name.key_id}  KCV {exported.check_value}")


@commands.command("rotate")
def rotate(institution: InstitutionName, usage: Usage, pair: Owner = None) -> None:
    """Replace a key by a new version: what is new goes under it, what the old one made is still accepted.

    A pair's key is replaced on both sides where both are open here; else make one (`generate`), `export` it, and
    `activate` it when the other side has it. Card numbers are moved to the new key, and the old one is forgotten.
    """
    from api.keys import rotated
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        one = system.institution(institution)
        for sentence in rotated(system, one, _usage(usage), pair):
            _tell(sentence)


@commands.command("exchange")
def exchange(
    institution: InstitutionName,
    usage: Annotated[str, typer.Argument(help="pin_zone or mac: the key that a member shares with the network.")],
) -> None:
    """Give the network a new key by message (0800, DE 70 = 101 or 102), while both run and traffic goes on."""
    import asyncio

    from api.key_changes import exchanged
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        record = asyncio.run(exchanged(system, system.institution(institution), _usage(usage)))
    _tell_key(record)


@commands.command("activate")
def activate(institution: InstitutionName, key_id: Annotated[str, typer.Argument(help="OWNER:USAGE:VERSION")]) -> None:
    """Make a version current, once the other side is known to hold it. The one before stays accepted."""
    from engine.crypto.door import KeyName

    with _custody(institution) as custody:
        custody.activate(KeyName.from_key_id(key_id))
    _tell(f"{key_id} is current.")


@commands.command("retire")
def retire(institution: InstitutionName, key_id: Annotated[str, typer.Argument(help="OWNER:USAGE:VERSION")]) -> None:
    """Forget a version for good: nothing that it made opens or is accepted any more."""
    from engine.crypto.door import KeyName

    with _custody(institution) as custody:
        custody.retire(KeyName.from_key_id(key_id))
    _tell(f"{key_id} is gone.")


def _usage(text: str) -> KeyUsage:
    from engine.crypto.door import KeyUsage

    if text not in list(KeyUsage):
        raise BezantError(f"There is no key usage {text!r}: choose one of {', '.join(sorted(KeyUsage))}.")
    return KeyUsage(text)


def _owner(institution: str, pair: str | None) -> str:
    from engine.crypto.door import pair_name

    return institution if pair is None else pair_name(institution, pair)


def _component(number: int) -> bytes:
    text = cast("str", typer.prompt(f"Component {number}", hide_input=True))
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BezantError(f"Component {number} is not hexadecimal: nothing was taken in.") from None


@contextmanager
def _custody(institution: str) -> Iterator[Custody]:
    from api.settings import load_settings
    from api.system import opened

    with opened(load_settings()) as system:
        yield system.hsm(system.institution(institution)).custody


def _tell_key(record: KeyRecord) -> None:
    _tell(f"{record.name.key_id} is {record.state.value}, KCV {record.check_value}.")


def _tell(sentence: str) -> None:
    Console(highlight=False, soft_wrap=True).print(sentence)
