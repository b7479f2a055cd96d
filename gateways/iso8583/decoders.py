"""Decoders as Python source, one for each set of elements that a dialect meets, made once.

A message's bitmap says which elements follow, so nothing is left to look up. Between two elements of varying length
stands a stretch of fixed ones: it is cut once, together with the length that follows it, by one `itemgetter` of slices
for all its text. Lengths are read through a dictionary that has just the lengths allowed, and gives the position where
the value ends. The characters of all stretches are checked by one call for each class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from gateways.iso8583.charsets import Charset
from gateways.iso8583.classes import DIGITS_ONLY, checks_of, table_of
from gateways.iso8583.generation import INLINE, compiled
from gateways.iso8583.lengths import totals
from gateways.iso8583.reading import Fields
from gateways.iso8583.shapes import Shape

Decoder = Callable[[bytes], Fields | None]


def make_decoder(front: Sequence[Shape], bitmap_bytes: int, elements: Sequence[Shape]) -> Decoder:
    """A decoder of frames that hold `front` (header and type, fixed), bitmaps of so many bytes, and `elements`."""
    written = [shape for shape in front if shape.size]
    source = _Source([*written, *elements])
    source.elements(written)
    source.skip(bitmap_bytes)
    source.elements(elements)
    return source.made([*written, *elements])


class _Source:
    """The lines of a decoder as they grow, with the names that they use. Positions are a variable (the end of the last
    value of varying length) and a constant."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        varying = [shape for shape in shapes if shape.length_bytes]
        cuts = sum(_is_inline(shape.charset) + _is_inline(shape.length_charset) for shape in varying)
        self._is_text = cuts > _FEW_TEXTS
        """Whether the frame is made text as a whole, and not stretch by stretch."""
        self._names: dict[str, Any] = {}
        self._lines: list[str] = []
        self._checks: list[str] = []
        self._together: dict[str, list[tuple[str, str]]] = {}
        """Regions by their kind, and what an empty one is known by: checked as one where one of them never is."""
        self._quick: dict[str, str] = {}
        """What mostly makes the check of an element alone needless."""
        self._variable = ""
        self._constant = 0
        self._ends = 0
        self._pieces: list[tuple[str, str, int, int]] = []
        """Stretches that have a name: it, and from where to where."""
        self._region: tuple[str, str, int, bool] | None = None
        """What is checked together so far: kind of check, start, whether it may be empty."""

    def skip(self, size: int) -> None:
        """Pass over bytes that say nothing here."""
        self._close_region()
        self._constant += size

    def elements(self, shapes: Sequence[Shape]) -> None:
        """Elements in order: stretches of fixed ones, each with the varying one behind it."""
        stretch: list[Shape] = []
        for shape in shapes:
            if shape.length_bytes:
                self._varying(shape, self._stretch(stretch, shape))
                stretch = []
            else:
                stretch.append(shape)
        self._stretch(stretch, None)

    def _stretch(self, shapes: Sequence[Shape], following: Shape | None) -> str:
        """Fixed elements side by side. Answers where the length of the one that follows is by then, if it was cut with
        them."""
        if not shapes:
            return ""
        begins, size = self._constant, sum(shape.bytes_of(shape.size) for shape in shapes)
        runs: list[list[tuple[Shape, int]]] = []
        offset = 0
        for shape in shapes:
            if runs and self._view(runs[-1][0][0]) == self._view(shape) and not _is_raw(shape):
                runs[-1].append((shape, offset))
            else:
                runs.append([(shape, offset)])
            offset += shape.bytes_of(shape.size)
        texts = [run for run in runs if run[0][0].charset is not None]
        width = 0 if following is None else following.length_bytes
        is_cut_too = bool(texts) and following is not None and _is_readable(following, texts[0][0][0].charset)
        if len(runs) > 1:
            whole = f"frame[{self._at(begins)}:{self._at(begins + size + width)}]"
            name = f"b{len(self._pieces)}"
            self._pieces.append((name, self._variable, begins, begins + size + width))
            self._lines.append(f"{name} = {whole}")
        for view in dict.fromkeys(self._view(run[0][0]) for run in texts):
            targets, slices = [], []
            for run in texts:
                for shape, start in run:
                    if self._view(shape) == view:
                        targets.append(f"v{shape.key}")
                        slices.append(slice(start, start + shape.bytes_of(shape.size)))
            if is_cut_too and view == self._view(texts[0][0][0]):
                targets.append("length")
                slices.append(slice(size, size + width))
            first, last = (slices[0].start, slices[0].stop) if len(slices) == 1 else (0, size + width)
            text = self._text(view, begins + first, self._at(begins + last), last - first)
            self._cut(targets, slices, text)
        for run in runs:
            if run[0][0].is_hex:
                self._packed([shape for shape, _ in run], begins + run[0][1])
        for shape in shapes:
            count = shape.bytes_of(shape.size)
            self._check(shape, count, may_be_empty=not count)
            self._constant += count
        return "length" if is_cut_too else ""

    def _packed(self, run: Sequence[Shape], begins: int) -> None:
        """Elements of packed digits side by side, or one that is binary."""
        targets, slices, position = [], [], 0
        for shape in run:
            digits = 2 * shape.bytes_of(shape.size)
            first, last = position, position + digits
            if shape.in_half_bytes and shape.size & 1:
                pad_at = first if shape.left_pad else last - 1
                first, last = (first + 1, last) if shape.left_pad else (first, last - 1)
                targets.append(f"p{shape.key}")
                slices.append(slice(pad_at, pad_at + 1))
                self._checks.append(f"p{shape.key} == {shape.left_pad + shape.right_pad!r}")
            targets.append(f"v{shape.key}")
            slices.append(slice(first, last))
            position += digits
        self._cut(targets, slices, _in_hex(self._bytes(begins, begins + position // 2), run[0]))

    def _cut(self, targets: Sequence[str], slices: Sequence[slice], whole: str) -> None:
        """Lines that cut a whole; a single target is the whole."""
        if len(targets) == 1:
            self._lines.append(f"{targets[0]} = {whole}")
        else:
            cutter = self._name("cut", itemgetter(*slices))
            self._lines.append(f"{', '.join(targets)} = {cutter}({whole})")

    def _varying(self, shape: Shape, length: str) -> None:
        """A length, in a variable of its own if it is cut already, and a value."""
        width = shape.length_bytes
        is_text = shape.length_charset is not None
        after = self._constant + width
        if not length and is_text:
            length = self._text(self._view_of(shape.length_charset), self._constant, self._at(after))
        elif not length:
            length = f"frame[{self._at(self._constant)}{'' if width == 1 else ':' + self._at(after)}]"
        in_text = not length.startswith("frame[")
        lookup = self._name("totals", totals(shape, self._constant, in_text), f"totals{shape.key}")
        end = f"e{self._ends}"
        self._ends += 1
        is_odd = shape.in_half_bytes and bool(shape.left_pad + shape.right_pad)
        self._lines.append(f"{end}{', odd' if is_odd else ''} = {lookup}[{length}]")
        if self._variable:
            self._lines.append(f"{end} += {self._variable}")
        # A length in the same digits as the value is checked with it, and with what stands before.
        same = shape.length_charset is None if shape.is_hex else shape.length_charset == shape.charset
        if same and not shape.length_is_binary and shape.content == "n":
            self._check(shape, width, may_be_empty=False)
        else:
            self._close_region()
        self._constant = after
        if shape.is_hex:
            whole = f"frame[{self._at(after)}:{end}]"
            if shape.content == "z":
                # An odd pad is not of the class, and left to the check of the value.
                table = self._name("table", table_of("z", None))
                self._lines.append(f"f{shape.key} = {whole}")
                whole = f"f{shape.key}"
                self._quick[shape.key] = f"{_digits(whole, table)} or "
            self._lines.append(f"v{shape.key} = {_in_hex(whole, shape)}")
        else:
            self._lines.append(f"v{shape.key} = {self._text(self._view(shape), after, end)}")
        if is_odd:
            pad, rest = ("[:1]", "[1:]") if shape.left_pad else ("[-1:]", "[:-1]")
            self._lines += [
                "if odd:",
                f"    if v{shape.key}{pad} != {shape.left_pad + shape.right_pad!r}:",
                "        return None",
                f"    v{shape.key} = v{shape.key}{rest}",
            ]
        self._check(shape, 0, may_be_empty=True)
        self._variable, self._constant = end, 0

    def made(self, shapes: Sequence[Shape]) -> Decoder:
        """The decoder."""
        self._close_region()
        views = ["text = frame.decode('latin-1')"] if self._is_text else []
        views += [f"text_{name} = {name}.characters(frame)" for name, of in self._names.items() if type(of) is Charset]
        for kind, regions in self._together.items():
            if all(is_empty for _, is_empty in regions):
                self._checks += [f"({_digits(region, kind)} or {is_empty})" for region, is_empty in regions]
            else:
                self._checks.append(_digits(f"({' + '.join(region for region, _ in regions)})", kind))
        checks = "".join(f" or not {check}" for check in self._checks)
        # A copy whose values are replaced is quicker by a third than a new dictionary, key by key.
        self._names["blank"] = dict.fromkeys((shape.key for shape in shapes), "").copy
        body = [
            *views,
            "try:",
            *(f"    {line}" for line in self._lines),
            f"    if {self._at(self._constant)} != len(frame){checks}:",
            "        return None",
            "except (KeyError, IndexError, ValueError):",
            "    return None",
            "fields = blank()",
            *(f"fields[{shape.key!r}] = v{shape.key}" for shape in shapes),
            "return fields",
        ]
        return compiled("decoder", "frame", body, self._names)  # type: ignore[no-any-return]

    def _view(self, shape: Shape) -> str:
        """What the element is cut from: text of a charset, packed digits, or bytes shown in hexadecimal."""
        if shape.is_hex:
            return "raw" if _is_raw(shape) else "digits"
        return self._view_of(shape.charset)

    def _view_of(self, charset: Charset | None) -> str:
        assert charset is not None
        return "text" if _is_inline(charset) else "text_" + self._name("charset", charset)

    def _text(self, view: str, begins: int, end: str, size: int = 0) -> str:
        """The source of text from a position to another; `size` where that is known."""
        if view != "text" or self._is_text:
            return f"{view}[{self._at(begins)}:{end}]"
        whole = self._bytes(begins, begins + size) if size else f"frame[{self._at(begins)}:{end}]"
        return whole + ".decode('latin-1')"

    def _bytes(self, begins: int, end: int) -> str:
        """The source of bytes between constants."""
        for name, variable, first, last in self._pieces:
            if variable == self._variable and first <= begins and end <= last:
                return name if (begins, end) == (first, last) else f"{name}[{self._part(begins - first, end - first)}]"
        return f"frame[{self._at(begins)}:{self._at(end)}]" if self._variable else f"frame[{self._part(begins, end)}]"

    def _part(self, begins: int, end: int) -> str:
        name = f"from{begins}to{end}"
        self._names[name] = slice(begins, end)
        return name

    def _check(self, shape: Shape, size: int, may_be_empty: bool) -> None:
        """Have the characters checked of what begins where we are: with what stands before, or by themselves."""
        together, alone = checks_of(shape)
        if together:
            table = table_of(together, shape.charset)
            kind = "digits" if table == DIGITS_ONLY else "" if table is None else self._name("table", table)
        else:
            kind = ""
        if self._region is not None and self._region[0] == kind:
            self._region = (*self._region[:3], self._region[3] and may_be_empty)
        else:
            self._close_region()
            if kind:
                self._region = (kind, self._variable, self._constant, may_be_empty)
        if alone and (not size or not shape.length_bytes):
            check = alone.format(value=f"v{shape.key}")
            self._checks.append(f"({self._quick[shape.key]}{check})" if shape.key in self._quick else check)

    def _close_region(self) -> None:
        if self._region is None:
            return
        kind, variable, constant, may_be_empty = self._region
        if variable == self._variable:
            region = self._bytes(constant, self._constant)
        else:
            region = f"frame[{_at(variable, constant)}:{self._at(self._constant)}]"
        is_empty = f"{_at(variable, constant)} == {self._at(self._constant)}" if may_be_empty else ""
        self._together.setdefault(kind, []).append((region, is_empty))
        self._region = None

    def _at(self, constant: int) -> str:
        return _at(self._variable, constant)

    def _name(self, kind: str, value: object, name: str = "") -> str:
        for known, other in self._names.items():
            if other is value:
                return known
        name = name or f"{kind}{len(self._names)}"
        self._names[name] = value
        return name


_FEW_TEXTS: Final = 2
"""So many pieces of text are quicker made one by one than with the whole frame."""


def _is_inline(charset: Charset | None) -> bool:
    return charset is not None and charset.name in INLINE


def _is_raw(shape: Shape) -> bool:
    """Whether the value is hexadecimal that may hold letters."""
    return shape.is_hex and checks_of(shape)[0] != "n"


def _is_readable(following: Shape, charset: Charset | None) -> bool:
    """Whether a length can be cut as text of a charset. One byte that is no digit is quicker taken as it is."""
    if following.length_charset is not None:
        return following.length_charset == charset
    return following.length_bytes > 1 and _is_inline(charset)


def _in_hex(whole: str, shape: Shape) -> str:
    return f"{whole}.hex(){'.upper()' if _is_raw(shape) else ''}"


def _digits(source: str, kind: str) -> str:
    """The check that bytes are all of a kind, whose table makes digits of them."""
    return f"{source}{'' if kind == 'digits' else f'.translate({kind})'}.isdigit()"


def _at(variable: str, constant: int) -> str:
    """A position as source: `e1 + 4`."""
    if not variable:
        return str(constant)
    return f"{variable} + {constant}" if constant else variable
