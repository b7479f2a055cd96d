"""Decoders and encoders as Python source, one for each set of elements that a dialect meets, made once.

A message's bitmap says which elements follow, so nothing is left to look up: the frame is made text once (and
hexadecimal once, where elements are BCD or binary), runs of fixed elements are cut by one `itemgetter` of slices,
lengths are read through a dictionary that has just the lengths allowed, and the characters of a whole run are checked
by one call. What is made here answers None for a frame or a message that is not right in every respect, and raises
nothing of its own; `reading.py` then says what is wrong. The source holds keys and numbers of the specification only,
all of them checked by `shapes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from gateways.iso8583.charsets import Charset
from gateways.iso8583.classes import ASCII, DIGITS_ONLY, checks_of, table_of
from gateways.iso8583.lengths import prefixes, totals
from gateways.iso8583.reading import Fields, bitmaps
from gateways.iso8583.shapes import Shape
from gateways.iso8583.specifications import CONTENT

Decoder = Callable[[bytes], Fields | None]
Encoder = Callable[[Mapping[str, str]], bytes | None]


def make_decoder(front: Sequence[Shape], bitmap_bytes: int, elements: Sequence[Shape]) -> Decoder:
    """A decoder of frames that hold `front` (header and type, fixed), bitmaps of so many bytes, and `elements`."""
    source = _DecoderSource([shape for shape in (*front, *elements) if shape.is_hex])
    written = [shape for shape in front if shape.size]
    source.elements(written)
    source.skip(bitmap_bytes)
    source.elements(elements)
    return source.compiled([*written, *elements])


def make_encoder(front: Sequence[Shape], elements: Sequence[Shape], shapes: Mapping[str, Shape]) -> Encoder:
    """An encoder of messages with just these elements, and `front`."""
    source = _EncoderSource()
    written = [shape for shape in front if shape.size]
    for shape in written:
        source.element(shape)
    source.constant(b"".join(bitmaps([int(shape.key) for shape in elements], shapes)), shapes["p"].charset)
    for shape in elements:
        source.element(shape)
    return source.compiled([*written, *elements])


class _DecoderSource:
    """The lines of a decoder as they grow, with the names that they use."""

    def __init__(self, packed: Sequence[Shape]) -> None:
        digits = sum(checks_of(shape)[0] == "n" for shape in packed)
        binaries = len(packed) - digits
        self._hex_view = "upper" if binaries > _FEW_BINARIES else ""
        self._binary_view = "raised" if digits > _FEW_BINARIES else "frame"
        self._names: dict[str, Any] = {}
        self._lines: list[str] = []
        self._checks: list[str] = []
        self._together: dict[str, list[tuple[str, str]]] = {}
        """Regions by their kind, and what an empty one is known by: checked as one where one of them never is."""
        self._ends = 0
        self._variable = ""
        self._constant = 0
        self._region: tuple[str, str, bool] | None = None
        """What is checked together so far: kind of check, start, whether it may be empty."""

    def skip(self, size: int) -> None:
        self._close_region()
        self._constant += size

    def elements(self, shapes: Sequence[Shape]) -> None:
        """Elements in order, those of fixed length and one view in runs."""
        run: list[Shape] = []
        for shape in shapes:
            if run and (shape.length_bytes or self.view(shape) != self.view(run[0])):
                self._fixed(run)
                run = []
            if shape.length_bytes:
                self._varying(shape)
            else:
                run.append(shape)
        self._fixed(run)

    def _fixed(self, run: Sequence[Shape]) -> None:
        """Elements of fixed length and one view, side by side."""
        if not run:
            return
        view = self.view(run[0])
        scale = _SCALES.get(view, 1)
        targets: list[str] = []
        slices, offset = [], 0
        start, checks = (self._variable, self._constant), []
        for shape in run:
            size = shape.bytes_of(shape.size)
            first, last = (2 if shape.is_hex else 1) * offset, (2 if shape.is_hex else 1) * (offset + size)
            if shape.in_half_bytes and shape.size & 1:
                pad_at = first if shape.left_pad else last - 1
                first, last = (first + 1, last) if shape.left_pad else (first, last - 1)
                targets.append(f"p{shape.key}")
                slices.append(slice(pad_at, pad_at + 1))
                checks.append(f"p{shape.key} == {shape.left_pad + shape.right_pad!r}")
            targets.append(f"v{shape.key}")
            slices.append(slice(first, last))
            self._check(shape, size, may_be_empty=not size)
            self._constant += size
            offset += size
        self._checks.extend(checks)
        whole = f"{view}[{_at(*start, scale)}:{_at(start[0], start[1] + offset, scale)}]"
        whole = _made_of(whole)
        if len(targets) == 1:
            self._lines.append(f"{targets[0]} = {whole}")
        else:
            cut = self._name("cut", itemgetter(*slices))
            self._lines.append(f"{', '.join(targets)} = {cut}({whole})")

    def _varying(self, shape: Shape) -> None:
        """A length and a value."""
        width = shape.length_bytes
        begins, body = _at(self._variable, self._constant), _at(self._variable, self._constant + width)
        digits = shape.length_charset is not None and not shape.length_is_binary
        if digits:
            key = f"{self._text(shape.length_charset)}[{begins}:{body}]"
        else:
            key = f"frame[{begins}]" if width == 1 else f"frame[{begins}:{body}]"
        lookup = self._name("totals", totals(shape), f"totals{shape.key}")
        end = f"e{self._ends}"
        self._ends += 1
        is_odd = shape.in_half_bytes and bool(shape.left_pad + shape.right_pad)
        if is_odd:
            self._lines.append(f"{end}, odd = {lookup}[{key}]")
        else:
            self._lines.append(f"{end} = {lookup}[{key}]")
        self._lines.append(f"{end} += {begins}")
        # A length in the same digits as the value is checked with it, and with what stands before.
        same = shape.length_charset is None if shape.is_hex else shape.length_charset == shape.charset
        if same and not shape.length_is_binary and shape.content == "n":
            self._check(shape, width, may_be_empty=False)
        else:
            self._close_region()
        self._constant += width
        view = self.view(shape)
        scale = _SCALES.get(view, 1)
        whole = f"{view}[{_at(self._variable, self._constant, scale)}:{_at(end, 0, scale)}]"
        whole = _made_of(whole)
        self._lines.append(f"v{shape.key} = {whole}")
        if is_odd:
            pad, rest = ("[:1]", "[1:]") if shape.left_pad else ("[-1:]", "[:-1]")
            expected = shape.left_pad + shape.right_pad
            self._lines += [
                "if odd:",
                f"    if v{shape.key}{pad} != {expected!r}:",
                "        return None",
                f"    v{shape.key} = v{shape.key}{rest}",
            ]
        self._check(shape, 0, may_be_empty=True)
        self._variable, self._constant = end, 0

    def compiled(self, shapes: Sequence[Shape]) -> Decoder:
        """The decoder."""
        self._close_region()
        views = [line for name, line in _VIEWS.items() if f"{name}[" in "\n".join(self._lines + self._checks)]
        for name, view in self._names.items():
            if isinstance(view, Charset):
                views.append(f"text_{name} = {name}.characters(frame)")
        for kind, regions in self._together.items():
            if all(is_empty for _, is_empty in regions):
                self._checks += [f"({is_empty}{_digits(region, kind)})" for region, is_empty in regions]
            else:
                self._checks.append(_digits(f"({' + '.join(region for region, _ in regions)})", kind))
        checks = "".join(f" or not {check}" for check in self._checks)
        fields = ", ".join(f"{shape.key!r}: v{shape.key}" for shape in shapes)
        body = [
            *views,
            "try:",
            *(f"    {line}" for line in self._lines),
            f"    if {_at(self._variable, self._constant)} != len(frame){checks}:",
            "        return None",
            "except (KeyError, IndexError, ValueError):",
            "    return None",
            f"return {{{fields}}}",
        ]
        return _compiled("decoder", "frame", body, self._names)  # type: ignore[no-any-return]

    def view(self, shape: Shape) -> str:
        """The name of what the element is cut from: the frame as text or in hexadecimal, whole, or the frame itself
        for the few elements that are made hexadecimal one by one."""
        if shape.charset is None:
            return self._hex_view or ("hexed" if checks_of(shape)[0] == "n" else self._binary_view)
        return self._text(shape.charset)

    def _text(self, charset: Charset | None) -> str:
        assert charset is not None
        return "text" if charset.name in _INLINE else "text_" + self._name("charset", charset)

    def _check(self, shape: Shape, size: int, may_be_empty: bool) -> None:
        """Have the characters checked of what begins where we are: with what stands before, or by themselves."""
        together, alone = checks_of(shape)
        if together:
            table = table_of(together, shape.charset)
            kind = "digits" if table == DIGITS_ONLY else "" if table is None else self._name("table", table)
        else:
            kind = ""
        if self._region is not None and self._region[0] == kind:
            _, start, was_empty = self._region
            self._region = (kind, start, was_empty and may_be_empty)
        else:
            self._close_region()
            if kind:
                self._region = (kind, _at(self._variable, self._constant), may_be_empty)
        if alone and (not size or not shape.length_bytes):
            self._checks.append(alone.format(value=f"v{shape.key}"))

    def _close_region(self) -> None:
        if self._region is None:
            return
        kind, start, may_be_empty = self._region
        end = _at(self._variable, self._constant)
        alone = f"{start} == {end} or " if may_be_empty else ""
        self._together.setdefault(kind, []).append((f"frame[{start}:{end}]", alone))
        self._region = None

    def _name(self, kind: str, value: object, name: str = "") -> str:
        for known, other in self._names.items():
            if other is value:
                return known
        name = name or f"{kind}{len(self._names)}"
        self._names[name] = value
        return name


class _EncoderSource:
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
        return _compiled("encoder", "fields", body, self._names)  # type: ignore[no-any-return]

    def _writing(self, charset: Charset | None) -> str:
        if charset is None:
            return "hex"
        if charset.name in _INLINE:
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


_INLINE: Final = {"ascii", "latin-1"}
_VIEWS: Final = {
    "text": "text = frame.decode('latin-1')",
    "hexed": "hexed = frame.hex()",
    "upper": "upper = frame.hex().upper()",
}
_SCALES: Final = {"hexed": 2, "upper": 2, "raised": 2}
"""Positions of a view for each byte, where it is not one."""
_FEW_BINARIES: Final = 4
"""So many elements are quicker made hexadecimal one by one than with the whole frame."""


def _made_of(cut: str) -> str:
    """The source of a value from that of its cut: hexadecimal in capitals where the view is not."""
    if cut.startswith("frame["):
        return cut + ".hex().upper()"
    if cut.startswith("raised["):
        return f"hexed{cut.removeprefix('raised')}.upper()"
    return cut


def _digits(source: str, kind: str) -> str:
    """The check that bytes are all of a kind, whose table makes digits of them."""
    return f"{source}{'' if kind == 'digits' else f'.translate({kind})'}.isdigit()"


def _at(variable: str, constant: int, scale: int = 1) -> str:
    """A position as source: `e1 + 4`, or twice that in hexadecimal."""
    if not variable:
        return str(scale * constant)
    name = variable if scale == 1 else f"{scale} * {variable}"
    return f"{name} + {scale * constant}" if constant else name


def _compiled(name: str, argument: str, body: Sequence[str], names: Mapping[str, object]) -> Any:
    source = f"def {name}({argument}):\n" + "\n".join(f"    {line}" for line in body) + "\n"
    namespace: dict[str, Any] = {
        **names,
        "fromhex": bytes.fromhex,
        **{f"CONTENT_{number}": pattern.fullmatch for number, pattern in enumerate(CONTENT.values())},
    }
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102, the source is ours: numbers and names only
    return namespace[name]
