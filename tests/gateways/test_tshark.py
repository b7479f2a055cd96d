"""A protocol analyser of others, tshark, reads what a listener of profile `ascii-hex` speaks. Where it is not installed
(Debian: `apt install tshark`) there is nothing here to run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from gateways.iso8583.codec import Fields, encode
from gateways.iso8583.framing import TWO_BYTES
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import PROFILES
from tests.gateways.iso8583.samples import MESSAGES, NETWORK_MANAGEMENT

SHOWN = re.compile(r"^    Bit (?P<element>\d+): (?P<value>.*)$", re.MULTILINE)
TYPE = re.compile(r"^    MTI: (?P<type>\d+)$", re.MULTILINE)
OURS = {"53"}
"""Elements that our terminals write as a later version of the standard has them."""
LONGEST_SHOWN = 200


def read_by_tshark(frames: list[bytes], folder: Path) -> list[Fields]:
    """The elements of each message, as tshark shows them."""
    dump, packets = folder / "frames.txt", folder / "frames.pcap"
    dump.write_text(
        "".join(
            "".join(f"{at:06x} {frame[at : at + 16].hex(' ')}\n" for at in range(0, len(frame), 16)) for frame in frames
        )
    )
    subprocess.run(["text2pcap", "-q", "-T", "40000,8583", dump, packets], check=True, capture_output=True)
    read = ["tshark", "-r", str(packets), "-o", "iso8583.len_endian:Big endian", "-d", "tcp.port==8583,iso8583", "-V"]
    said = subprocess.run(read, check=True, capture_output=True, text=True).stdout
    _, *shown = re.split(r"^ISO 8583-1: .*$", said, flags=re.MULTILINE)
    return [
        {"t": TYPE.search(one)["type"], **{found["element"]: found["value"] for found in SHOWN.finditer(one)}}  # type: ignore[index]
        for one in shown
    ]


if shutil.which("tshark") and shutil.which("text2pcap"):

    def test_tshark_reads_every_element_of_the_profile_that_is_all_text(tmp_path: Path) -> None:
        samples = {**{name: to_fields(message) for name, message in MESSAGES.items()}, **NETWORK_MANAGEMENT}
        messages = [fields for fields in samples.values() if not OURS & fields.keys()]
        assert len(messages) > len(samples) / 2
        frames = [TWO_BYTES.framed(encode(fields, PROFILES["ascii-hex"])) for fields in messages]
        for fields, shown in zip(messages, read_by_tshark(frames, tmp_path), strict=True):
            assert {key: value.strip()[:LONGEST_SHOWN] for key, value in fields.items()} == {
                key: value.strip()[:LONGEST_SHOWN] for key, value in shown.items()
            }
