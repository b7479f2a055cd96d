"""Records of varying length in a file (VBS), as it is or in blocks of 1014 bytes.

Each record stands behind its length, four bytes, most significant first; a length of zero ends the file. A blocked
file holds the same bytes, 1012 of them a block, each block ended by two bytes of 40; the last one is filled with
40. So the last byte of a file tells which of the two it is: 00 or 40. The memory used is a block or a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

from engine.vocabulary.errors import FormatError

LENGTH_BYTES: Final = 4
MAX_RECORD_BYTES: Final = 6000
"""All elements of a record at their longest have less; cardutil refuses more."""
BLOCK: Final = 1014
CONTENT: Final = 1012
PAD: Final = b"\x40"
_MARK: Final = PAD * (BLOCK - CONTENT)
_BLOCKS_AT_ONCE: Final = 64


class Target(Protocol):
    """Where records are written."""

    def write(self, content: bytes, /) -> object:
        """Write all of it."""
        ...


class RecordWriter:
    """Writes records one by one; `close` ends the file and leaves `file` open."""

    def __init__(self, file: BinaryIO, *, is_blocked: bool) -> None:
        self._blocks = _Blocks(file) if is_blocked else None
        self._write: Target = self._blocks or file

    def write(self, record: bytes) -> None:
        """One more record, not empty."""
        assert 0 < len(record) <= MAX_RECORD_BYTES, "a record has a length that can be read again"
        self._write.write(len(record).to_bytes(LENGTH_BYTES, "big") + record)

    def close(self) -> None:
        """The length of zero that ends a file, and the filling of the last block."""
        self._write.write(bytes(LENGTH_BYTES))
        if self._blocks is not None:
            self._blocks.fill()


class _Blocks:
    """Bytes into blocks."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = b""

    def write(self, content: bytes) -> None:
        waiting = self._waiting + content
        while len(waiting) >= CONTENT:
            self._file.write(waiting[:CONTENT] + _MARK)
            waiting = waiting[CONTENT:]
        self._waiting = waiting

    def fill(self) -> None:
        if self._waiting:
            self._file.write(self._waiting.ljust(BLOCK, PAD))
            self._waiting = b""


class _Unblocked:
    """The bytes in blocks, read as if there were none."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes = b""
        self._at = 0
        self._block = 0

    def read(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._bytes):
            found = self._bytes[self._at : end]
            self._at = end
            return found
        found = self._bytes[self._at :]
        self._at = len(self._bytes)
        while len(found) < size and (blocks := self._file.read(BLOCK * _BLOCKS_AT_ONCE)):
            self._bytes, self._at = self._unblocked(blocks), size - len(found)
            found += self._bytes[: self._at]
        return found

    def _unblocked(self, blocks: bytes) -> bytes:
        content = []
        for start in range(0, len(blocks), BLOCK):
            self._block += 1
            if blocks[start + CONTENT : start + BLOCK] != _MARK:
                raise FormatError(f"block {self._block}", "is not 1014 bytes that end with 4040")
            content.append(blocks[start : start + CONTENT])
        return b"".join(content)

    def has_only_pads(self) -> bool:
        """Whether nothing but filling is left."""
        while rest := self.read(1 << 16):
            if rest.strip(PAD):
                return False
        return True


def is_blocked(file: BinaryIO) -> bool:
    """Whether a file is in blocks, by its last byte. The place in the file stays as it is."""
    place = file.tell()
    size = file.seek(0, 2)
    file.seek(max(size - 1, 0))
    last = file.read(1)
    file.seek(place)
    return last == PAD


def read_records(file: BinaryIO) -> Iterator[bytes]:
    """The records of a file from where it stands, to its end. `FormatError` names the record, counted from 1, that is
    cut off or has a length that none has, and what stands after the end."""
    blocks = _Unblocked(file) if is_blocked(file) else None
    read = file.read if blocks is None else blocks.read
    number = 0
    while True:
        number += 1
        prefix = read(LENGTH_BYTES)
        if len(prefix) < LENGTH_BYTES:
            raise FormatError(f"record {number} length", "is cut off")
        length = int.from_bytes(prefix, "big")
        if length == 0:
            break
        if length > MAX_RECORD_BYTES:
            raise FormatError(f"record {number} length", f"is more than {MAX_RECORD_BYTES} bytes")
        record = read(length)
        if len(record) < length:
            raise FormatError(f"record {number}", "is cut off")
        yield record
    if number == 1:
        raise FormatError("header", "is missing")
    if file.read(1) if blocks is None else not blocks.has_only_pads():
        raise FormatError("end of file", "has bytes after it")
