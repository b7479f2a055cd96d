"""Files on their way to other institutions."""

from __future__ import annotations

from pathlib import Path

from api.system import Outward
from engine.runtime.files import Files
from engine.vocabulary.decision import Message
from engine.vocabulary.files import Outgoing


def test_a_folder_that_takes_nothing_is_tried_again_and_holds_up_nobody_else(tmp_path: Path) -> None:
    ours = Files(tmp_path, "acquirer")
    ours.write("clearing-1.ipm", _fill)
    (tmp_path / "simnet").write_text("no folder")
    outward = Outward(ours, {"900000": Files(tmp_path, "simnet"), "900001": Files(tmp_path, "settlement")})
    file = Outgoing("clearing-1.ipm", "clearing")
    told = [outward.deliver(Message(to, file, durable=True)) for to in ("900000", "nobody", "900001")]
    assert told == [False, False, True]
    (tmp_path / "simnet").unlink()
    assert outward.deliver(Message("900000", file, durable=True))
    assert [path.name for path in Files(tmp_path, "simnet").arrived("clearing")] == ["clearing-1.ipm"]


def _fill(path: Path) -> None:
    path.write_bytes(b"items")
