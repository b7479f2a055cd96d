"""A trace shows what was said, and none of what must not be seen."""

from __future__ import annotations

from simulator.chip.apdu import Command, Response
from simulator.chip.personalisation import OFFLINE_PIN_FIRST
from simulator.kernel.contact import contact
from simulator.kernel.contactless import contactless
from simulator.kernel.setup import KernelSetup
from simulator.reading import read_card
from simulator.trace import trace_lines
from tests.simulator.chip.cards import PAN, card, sale


def traced(*, tapped: bool) -> str:
    lines: list[str] = []

    def watch(command: Command, response: Response) -> None:
        lines.extend(trace_lines(command, response))

    kernel = (contactless if tapped else contact)(KernelSetup(), sale())
    next(read_card(kernel, card(cvm_list=OFFLINE_PIN_FIRST), contactless=tapped, pin="4711", watch=watch))
    return "\n".join(lines)


def test_commands_statuses_and_objects_are_named() -> None:
    shown = traced(tapped=False)
    for expected in (
        "> SELECT",
        "> VERIFY",
        "> GENERATE AC",
        "< 9000 ok",
        "9F36 Application transaction counter",
        "8E ",
    ):
        assert expected in shown


def test_card_number_track_name_and_pin_are_masked() -> None:
    for tapped in (False, True):
        shown = traced(tapped=tapped)
        assert PAN not in shown
        assert "244711" not in shown and b"TEST/CARD".hex().upper() not in shown
        assert "57 Track 2 equivalent data: ********" in shown
    assert "400001******2348" in traced(tapped=False)
