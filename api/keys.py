"""Which keys an institution needs, and the first ceremony: an installation's own institutions get theirs as they are
opened, pairs of them the same one on both sides. Keys with institutions elsewhere come by `bezant keys`.

The test world's keys follow from the test master key, so there is nothing to provide in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from engine.acquirer import TERMINALS
from engine.crypto.door import Hsm, KeyUsage, pair_name
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.hsm.custody import Custody
from engine.database.institutions import Institution
from engine.vault.rotation import rotate_encryption, rotate_lookup
from engine.vocabulary.errors import BezantError

PERSONALISATION = "personalisation"
"""The other end of the zone master key under which a bank's card keys go to who makes its cards."""

if TYPE_CHECKING:
    from api.system import System

_EVERYBODY = (KeyUsage.FINGERPRINT, KeyUsage.PAN_ENCRYPTION, KeyUsage.PAN_LOOKUP)
_ISSUER = (
    KeyUsage.PIN_VERIFICATION,
    KeyUsage.PIN_OFFSET,
    KeyUsage.CARD_VERIFICATION,
    KeyUsage.CHIP_CRYPTOGRAM,
    KeyUsage.CHIP_INTEGRITY,
    KeyUsage.CHIP_CONFIDENTIALITY,
    KeyUsage.CHIP_DYNAMIC_NUMBER,
)
_ACQUIRER = (KeyUsage.DEVICE_BASE_TDES, KeyUsage.DEVICE_BASE_AES)
_WITH_NETWORK = (KeyUsage.ZONE_MASTER, KeyUsage.PIN_ZONE, KeyUsage.MAC)
_MEMBERS = ("issuer", "acquirer")

Place = tuple[KeyUsage, str]
"""A usage and the owner of the key."""


def own_keys(institution: Institution) -> Iterator[Place]:
    """The keys that an institution needs for itself and with parties that are no institutions."""
    name = institution.name
    of_role = {"issuer": _ISSUER, "acquirer": _ACQUIRER}.get(institution.role, ())
    yield from ((usage, name) for usage in (*_EVERYBODY, *of_role))
    if institution.role == "acquirer":
        yield KeyUsage.PIN_ZONE, pair_name(name, TERMINALS)
    if institution.role == "issuer":
        yield KeyUsage.ZONE_MASTER, pair_name(name, PERSONALISATION)


def shared_keys(one: Institution, other: Institution) -> Iterator[Place]:
    """The keys that two institutions need with each other: members with a network."""
    if "network" in (one.role, other.role) and {one.role, other.role} & set(_MEMBERS):
        yield from ((usage, pair_name(one.name, other.name)) for usage in _WITH_NETWORK)


def provide_keys(
    hsms: Mapping[str, SoftwareHsm], institutions: Sequence[Institution], opened_before: Collection[str]
) -> None:
    """What these institutions lack of the keys that they need. Again changes nothing.

    `opened_before` names institutions of a world from before key blocks: without any block they keep the keys that were
    derived from the master key, for card numbers lie under them.
    """
    derived = {name for name in opened_before if not hsms[name].custody.records()}
    for one in institutions:
        custody = hsms[one.name].custody
        for usage, owner in own_keys(one):
            custody.provide(usage, owner, derived=one.name in derived)
    for place, one in enumerate(institutions):
        for other in institutions[place + 1 :]:
            for usage, owner in shared_keys(one, other):
                both = {one.name, other.name} <= derived
                hsms[one.name].custody.provide(usage, owner, derived=both)
                hsms[one.name].custody.share(usage, owner, hsms[other.name].custody)


def require_keys(hsm: SoftwareHsm, institution: Institution, network: Institution | None) -> None:
    """Raises `BezantError` that names the first key which the institution needs and does not have."""
    shared = shared_keys(institution, network) if network is not None and network.name != institution.name else ()
    for usage, owner in (*own_keys(institution), *shared):
        if not hsm.custody.has(usage, owner):
            raise BezantError(
                f"{institution.name} lacks the {usage} key of {owner}:"
                f" `bezant keys generate` or `import` it for {institution.name}."
            )


KEPT_UNDER: dict[KeyUsage, str] = {
    KeyUsage.PAN_ENCRYPTION: "the vault's card numbers are under it",
    KeyUsage.PAN_LOOKUP: "the vault's card numbers are found by it",
    KeyUsage.FINGERPRINT: "what was answered before is compared by it",
}
"""Usages whose key is not simply replaced, for rows depend on it."""


def _moved(move: Callable[[Engine, Hsm, Custody], Iterator[str]], system: System, one: Institution) -> Iterator[str]:
    hsm = system.hsm(one)
    yield from move(system.database.institution(one.name), hsm, hsm.custody)


MOVES: dict[KeyUsage, Callable[[System, Institution], Iterator[str]]] = {
    KeyUsage.PAN_ENCRYPTION: partial(_moved, rotate_encryption),
    KeyUsage.PAN_LOOKUP: partial(_moved, rotate_lookup),
}
"""What replaces the key of such a usage together with the rows that depend on it, telling its progress in sentences."""


def require_rotatable(usage: KeyUsage) -> None:
    """Raises `BezantError` for a usage whose new key would come without the rows under the old one."""
    if usage in KEPT_UNDER:
        raise BezantError(f"A {usage} key is not made by itself, for {KEPT_UNDER[usage]}: `bezant keys rotate` it.")


def rotated(system: System, institution: Institution, usage: KeyUsage, party: str | None) -> Iterator[str]:
    """Replace the key of a usage by a new version, where both sides are open here on both; tells what was done.

    `party`: the other party of a pair's key.
    """
    if usage in MOVES:
        yield from MOVES[usage](system, institution)
        return
    if usage in KEPT_UNDER:
        raise BezantError(f"The {usage} key of {institution.name} is not replaced, for {KEPT_UNDER[usage]}.")
    hsm = system.hsm(institution)
    if party is None:
        record = hsm.custody.rotate(usage)
        yield f"{record.name.key_id} is current, KCV {record.check_value}."
        return
    pair = pair_name(institution.name, party)
    other = system.hsm(system.institution(party))
    if usage is KeyUsage.ZONE_MASTER:
        raise BezantError("A zone master key is replaced by a ceremony: `generate --components`, `import`, `activate`.")
    made = hsm.make_zone_key(pair, usage)
    taken = other.import_zone_key(pair, usage, made.key_block, made.check_value)
    # Who receives first: from then on it opens what comes under either key.
    for side, name in ((other, taken.name), (hsm, made.name)):
        side.activate_zone_key(pair, usage, name.version)
    yield f"{made.name.key_id} is current at {institution.name} and {party}, KCV {made.check_value}."
