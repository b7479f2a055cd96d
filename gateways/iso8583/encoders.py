"""Encoders as Python source, one for each set of elements that a dialect writes, made once.

The bitmap is a constant then; runs of one charset are one f-string, and the characters of a whole run are checked by
one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from gateways.iso8583.charsets import Charset
from gateways.iso8583.classes import ASCII, DIGITS_ONLY, checks_of, table_of
from gateways.iso8583.generation import INLINE, compiled
from gateways.iso8583.lengths import prefixes
from gateways.iso8583.reading import bitmaps
from gateways.iso8583.shapes import Shape

Encoder = Callable[[Mapping[str, str]], bytes | None]


def make_encoder(front: Sequence[Shape], elements: Sequence[Shape], shapes: Mapping[str, Shape]) -> Encoder:
    """An encoder of messages with just these elements, and `front`."""
    source = _Source()
    written = [shape for shape in front if shape.size]
    for shape in written:
        source.element(shape)
    source.constant(b"".join(bitmaps([int(shape.key) for shape in elements], shapes)), shapes["p"].charset)
    for shape in elements:
        source.element(shape)
    return source.compiled([*written, *elements])


class _Source:
    """The lines of an encoder as they grow. A message is segments (text of a charset, or hexadecimal), each made of
    regions that are checked together."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._lines: list[str] = []
        self._checks: list[str] = []
        self._segments: list[tuple[str, list[str]]] = []
        """How each segment is written, and its regions."""
        self._region: tuple[str, list[str], bool] | None = None

    def constant(self, source: bytes, charset: Charset | None) -> None:
        """Bytes that are always the same."""
        text = source.hex().upper() if charset is None else charset.characters(source)
        self._put(self._writing(charset), "", text, is_empty=False)

    def element(self, shape: Shape) -> None:
        """An element, with its length where it has one."""
        value, writing = f"v{shape.key}", self._writing(shape.charset)
        together, alone = checks_of(shape)
        if shape.is_hex and together != "n":
            together = "b"
        elif shape.content is None and shape.charset is not None and together:
            together = ""  # the encoding itself refuses what it lacks
        if alone:
            self._checks.append(alone.format(value=value))
        pads = ""
        if shape.length_bytes:
            lengths = f"lengths{shape.key}"
            self._names[lengths] = prefixes(shape)
            prefix = f"{{{lengths}[len({value})]}}"
            if shape.length_charset is None:
                is_digits = together == "n" and not shape.length_is_binary
                self._put("hex", "n" if is_digits else "b", prefix, is_empty=False)
            else:
                kind = together if together in {"n", "ans"} and not shape.is_hex else ""
                self._put(self._writing(shape.length_charset), kind, prefix, is_empty=False)
            if shape.in_half_bytes:
                self._names["pads" + shape.key] = ("", shape.left_pad + shape.right_pad)
                pads = f"{{pads{shape.key}[len({value}) & 1]}}"
        else:
            self._checks.append(f"len({value}) == {shape.longest_value}")
            if shape.in_half_bytes and shape.size & 1:
                pads = shape.left_pad + shape.right_pad
        piece = f"{{{value}.replace('=', 'D')}}" if shape.is_hex and shape.content == "z" else f"{{{value}}}"
        piece = pads + piece if shape.left_pad else piece + pads
        self._put(writing, together, piece, is_empty=bool(shape.length_bytes) or not shape.size)

    def compiled(self, shapes: Sequence[Shape]) -> Encoder:
        """The encoder."""
        self._close_region()
        keys = [shape.key for shape in shapes]
        names = "".join(f"v{key}, " for key in keys)
        self._names["taken"] = itemgetter(*keys) if len(keys) > 1 else lambda fields: (fields[keys[0]],)
        segments = []
        for writing, regions in self._segments:
            text = 'f"' + "".join(regions) + '"'
            segments.append(writing.format(text=text))
        checks = " and ".join(self._checks) or "True"
        body = [
            "try:",
            f"    {names} = taken(fields)",
            *(f"    {line}" for line in self._lines),
            f"    if {checks}:",
            f"        return {' + '.join(segments)}",
            "except (KeyError, ValueError, TypeError, AttributeError):",
            "    pass",
            "return None",
        ]
        return compiled("encoder", "fields", body, self._names)  # type: ignore[no-any-return]

    def _writing(self, charset: Charset | None) -> str:
        if charset is None:
            return "hex"
        if charset.name in INLINE:
            return charset.name
        name = next((name for name, known in self._names.items() if known is charset), f"charset_{len(self._names)}")
        self._names[name] = charset
        return name

    def _put(self, writing: str, kind: str, piece: str, is_empty: bool) -> None:
        """One more piece of an f-string."""
        how = {
            "hex": "fromhex({text})",
            "ascii": "{text}.encode('ascii')",
            "latin-1": "{text}.encode('latin-1')",
        }.get(writing, f"{writing}.written({{text}})")
        if not self._segments or self._segments[-1][0] != how:
            self._close_region()
            self._segments.append((how, []))
        if self._region is None or self._region[0] != kind:
            self._close_region()
            self._region = (kind, [], True)
        _, pieces, was_empty = self._region
        pieces.append(piece)
        self._region = (kind, pieces, was_empty and is_empty)

    def _close_region(self) -> None:
        if self._region is None:
            return
        kind, pieces, may_be_empty = self._region
        if not kind:
            self._segments[-1][1].extend(pieces)
        else:
            name = f"r{len(self._lines)}"
            text = 'f"' + "".join(pieces) + '"'
            self._lines.append(f"{name} = {text}")
            self._names[f"table_{kind}"] = table = table_of(kind, ASCII)
            translated = "" if table == DIGITS_ONLY else f".translate(table_{kind})"
            check = f"{name}.encode('ascii'){translated}.isdigit()"
            self._checks.append(f"(not {name} or {check})" if may_be_empty else check)
            self._segments[-1][1].append(f"{{{name}}}")
        self._region = None
