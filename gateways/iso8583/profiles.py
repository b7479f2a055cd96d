"""What a listener for terminals speaks, by name, as configuration says it: `bcd:8584:2b:tpdu:tls`.

A profile is how elements are written; a place adds the port, the framing, and whether a TPDU stands before each
message and TLS around all of them. One host may have any number of places.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.vocabulary.errors import BezantError
from gateways.iso8583.framing import FRAMINGS, TWO_BYTES, Framing
from gateways.iso8583.specifications import PROFILES, Specification, dialect_named


@dataclass(frozen=True, slots=True)
class ListeningPlace:
    """One listener for terminals."""

    profile: str
    port: int
    framing: Framing = TWO_BYTES
    has_tpdu: bool = False
    has_tls: bool = False

    @property
    def specification(self) -> Specification:
        """How its messages are written."""
        return dialect_named(self.profile + (":tpdu" if self.has_tpdu else ""))


def places_of(text: str) -> tuple[ListeningPlace, ...]:
    """Places in configuration: separated by commas, each `PROFILE:PORT`, then in any order a framing (`2b` unless said
    otherwise), `tpdu` and `tls`. Raises `BezantError`, a sentence for people."""
    places = tuple(_place(written) for written in (part.strip() for part in text.split(",")) if written)
    ports = [place.port for place in places]
    if len(set(ports)) < len(ports):
        raise BezantError("two listeners have one port")
    return places


def _place(written: str) -> ListeningPlace:
    profile, _, rest = written.partition(":")
    if profile not in PROFILES:
        raise BezantError(f"there is no profile {profile!r}; there are: {', '.join(PROFILES)}")
    port, *options = rest.split(":")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise BezantError(f"{written!r} has no port of 1 to 65535: it is written {profile}:PORT")
    framings = [option for option in options if option in FRAMINGS]
    unknown = set(options) - {*FRAMINGS, "tpdu", "tls"}
    if unknown or len(framings) > 1:
        raise BezantError(f"{written!r} may say one of {', '.join(FRAMINGS)}, tpdu and tls behind its port")
    framing = FRAMINGS[framings[0]] if framings else TWO_BYTES
    return ListeningPlace(profile, int(port), framing, "tpdu" in options, "tls" in options)
