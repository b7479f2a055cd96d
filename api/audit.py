"""The audit of an installation: what each book must prove by itself, and what several must agree on.

Books are read one by one, each as it stands at one instant. What is between two books at that instant (a file on its
way) is in one and not yet in the other; so figures are compared where both have them, and never by their absence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from api.system import System
from engine.database.institutions import Institution
from engine.ledger.audit import Figure

SAME = "what two books have is the same in both"
ZERO = "net positions and the network's share sum to zero"
"""Names of the proofs that no book can give alone."""

WORLD = "the world"
"""Stands for the institution in their findings."""

MOST = 1_000
"""Findings of one proof that are told in full: who has lost a table need not hear of each row, nor keep all in
memory.
"""

Watch = Callable[[str, str, int, int], object]
"""Told the institution and the proof when it begins, and how many rows of how many a long one has read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One proof over the rows of one institution (or of all, `WORLD`). Without findings it is proven.

    A finding is a sentence that names the row.
    """

    institution: str
    proof: str
    findings: tuple[str, ...]

    @property
    def proven(self) -> bool:
        """Whether nothing contradicts it."""
        return not self.findings


def _unwatched(_institution: str, _proof: str, _done: int, _total: int) -> None:
    """Nobody looks."""


def proof_count(system: System, institutions: Sequence[Institution]) -> int:
    """How many verdicts `audit` will come to."""
    return sum(len(system.role_of(institution).proofs) for institution in institutions) + len((SAME, ZERO))


def audit(system: System, institutions: Sequence[Institution], watch: Watch = _unwatched) -> Iterator[Verdict]:
    """The proofs of these institutions one by one, then those over all of them together."""
    shown: dict[str, list[Figure]] = {}
    for institution in institutions:
        role = system.role_of(institution)
        with system.database.institution(institution.name).connect() as unread:
            connection = unread.execution_options(isolation_level="REPEATABLE READ")
            for proof in role.proofs:
                watch(institution.name, proof.name, 0, 0)
                read = partial(watch, institution.name, proof.name)
                yield Verdict(institution.name, proof.name, tuple(_told(proof.findings(connection, read))))
            shown[institution.name] = role.figures(institution, connection)
    yield Verdict(WORLD, SAME, tuple(_differences(shown)))
    yield Verdict(WORLD, ZERO, tuple(_remainders(shown)))


def _told(findings: Iterable[str]) -> Iterator[str]:
    every = iter(findings)
    yield from islice(every, MOST)
    if left := sum(1 for _ in every):
        yield f"and {left} more"


def _differences(shown: Mapping[str, Sequence[Figure]]) -> Iterator[str]:
    seen: dict[str, dict[str, int]] = {}
    for institution, figures in shown.items():
        for figure in figures:
            seen.setdefault(figure.about, {})[institution] = figure.amount_minor
    for about, by_institution in sorted(seen.items()):
        if len(set(by_institution.values())) > 1:
            said = ", ".join(f"{institution} has {amount}" for institution, amount in sorted(by_institution.items()))
            yield f"{about}: {said}"


def _remainders(shown: Mapping[str, Sequence[Figure]]) -> Iterator[str]:
    # The same figure in two books counts once; that they agree is the other proof.
    cycles: dict[str, dict[str, int]] = {}
    for figures in shown.values():
        for figure in figures:
            if figure.cycle is not None:
                cycles.setdefault(figure.cycle, {})[figure.about] = figure.amount_minor
    for cycle, amounts in sorted(cycles.items()):
        if remainder := sum(amounts.values()):
            yield f"the {len(amounts)} figures of {cycle} sum to {remainder}, not to zero"
