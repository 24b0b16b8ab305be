"""Everything that stems from a student, made fit to be shown: in a terminal, a page, a table.

Text loses what a terminal or a reader's eye obeys (escape sequences, control characters, overrides of
the writing direction); outputs are built anew from plain text and verified images, so that no
markup of a student's reaches the instructor's browser.
"""

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from dgm_lib.checks.report import Report

CUT = "\n… the rest of the output was cut …\n"
MOST_OUTPUTS = 100
"""So many outputs of one submission are kept."""

_MOST_CHARACTERS = 2000
_MOST_PIXELS = 16 << 20
_NOTES = 20

_ESCAPE = re.compile(  # no part can begin inside another: the time is linear in the text
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, and moves of the cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"  # titles, links, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x80-\x9f]*(?:\x1b\\|\x9c)"  # strings for devices
    r"|\x1b[ -/]*[0-~]"
)
_BREAKS = re.compile(r"\r\n|[\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and newline
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # which way to write
    r"\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # marks that nobody sees
)
_LONE = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r"\w[\w .,@+'()-]*")
_FORMULA = tuple("=+-@＝＋－＠")


def clean(text: object, most: int = _MOST_CHARACTERS) -> str:
    r"""Text without escape sequences, control characters (newline and tab stay), overrides of the
    writing direction and lone surrogates; at most `most` characters.

    >>> clean("\x1b[31mred\x1b[0m\x07 \u202egnp.exe")
    'red gnp.exe'
    """
    text = str(text)
    raw = text[: 4 * most + 1000]  # what is far too long need not be cleaned in full
    rest = len(raw) < len(text)
    raw = _BREAKS.sub("\n", _ESCAPE.sub("", raw))
    if "\r" in raw:  # a line written over, as progress bars do, shows what was written last
        raw = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in raw.split("\n"))
    text = _LONE.sub("\ufffd", _UNSEEN.sub("", raw))
    return text[: max(most - 2, 0)] + " …" if rest or len(text) > most else text


def line(text: object, most: int = 200) -> str:
    r"""Clean text on one line, for tables and messages.

    >>> line("two\nlines\t.")
    'two lines .'
    """
    return " ".join(clean(text, most).split())


def code(text: object, most: int = 200) -> str:
    r"""Clean text as a code span of markdown, in which nothing has a meaning: no markup, no maths.

    >>> code("<b> $x$ `y`")
    "`<b> $x$ 'y'`"
    """
    return f"`{line(text, most).replace('`', chr(39))}`"


def cell(text: object) -> str:
    """Clean text for a CSV file: no spreadsheet takes it for a formula.

    >>> cell("=1+1")
    "'=1+1"
    """
    text = line(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def is_name(text: str) -> bool:
    """Whether a student may be called so: a word, a number, an e-mail address, a full name.

    >>> is_name("ada@uni.edu"), is_name("../ada"), is_name("=ada"), is_name("<b>")
    (True, False, False, False)
    """
    return len(text) <= 100 and _NAME.fullmatch(text) is not None and clean(text) == text


def source(text: str) -> str:
    """A cell's source as it is shown and run: what no reader can see is shown as a � instead.

    Python has no use for such characters outside of strings and comments.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\x0c", " ").replace("\x0b", " ")
    return _LONE.sub("\ufffd", _UNSEEN.sub("\ufffd", text))


def report(found: Report) -> Report:
    """A report whose texts are clean, wherever they may quote the student's code."""
    outcomes = [replace(o, message=clean(o.message)) for o in found.outcomes]
    notes = [clean(note, 1000) for note in found.notes[:_NOTES]]
    return replace(found, outcomes=outcomes, notes=notes)


def outputs(cells: Mapping[str, Iterable[object]], most_bytes: int) -> dict[str, list[dict]]:
    """The outputs of all cells of one submission, built anew.

    Streams, errors, plain text and images (PNG, JPEG) survive, in this order of cells, up to
    `most_bytes` and `MOST_OUTPUTS` in total; a line says where the rest was cut.

    Args:
        cells: by cell, what the student's process says its outputs are: anything at all.
    """
    budget = _Budget(most_bytes)
    return {name: budget.take(raw) for name, raw in cells.items()}


class _Budget:
    """What is left for the outputs of one submission."""

    def __init__(self, left: int):
        self.left = left
        self.count = MOST_OUTPUTS
        self.said = False

    def take(self, raw: Iterable[object]) -> list[dict]:
        kept: list[dict] = []
        for item in raw:
            if self.left <= 0 or self.count <= 0:
                if not self.said:
                    kept.append(_stream("stdout", CUT))
                self.said = True
                break
            if (output := self._rebuild(item)) is not None:
                self.count -= 1
                kept.append(output)
        return kept

    def _rebuild(self, raw: object) -> dict | None:
        if not isinstance(raw, dict):
            return None
        kind = raw.get("output_type")
        if kind == "stream":
            name = "stderr" if raw.get("name") == "stderr" else "stdout"
            return _stream(name, self._text(raw.get("text")))
        if kind == "error":
            lines = raw.get("traceback")
            lines = lines[-100:] if isinstance(lines, list) else []
            return {
                "output_type": "error",
                "ename": line(raw.get("ename", "")),
                "evalue": line(raw.get("evalue", ""), 1000),
                "traceback": [self._text(text) for text in lines if self.left > 0],
            }
        if kind not in ("display_data", "execute_result") or not isinstance(raw.get("data"), dict):
            return None
        kept = {}
        for mime, check in (("image/png", png), ("image/jpeg", jpeg)):
            image = _image(raw["data"].get(mime), check)
            if image and len(image) <= self.left:
                self.left -= len(image)
                kept[mime] = image
        if isinstance(raw["data"].get("text/plain"), str):
            kept["text/plain"] = self._text(raw["data"]["text/plain"])
        if not kept:
            return None
        output = {"output_type": kind, "data": kept, "metadata": {}}
        return {**output, "execution_count": None} if kind == "execute_result" else output

    def _text(self, text: object) -> str:
        if not isinstance(text, str):
            return ""
        data = clean(text[: self.left + 1], self.left + 1).encode()
        if len(text) <= self.left and len(data) <= self.left:
            self.left -= len(data)
            return data.decode()
        self.said, left, self.left = True, self.left, 0
        return data[:left].decode(errors="ignore") + CUT


def _stream(name: str, text: str) -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def _image(text: object, check: Callable[[bytes], bytes]) -> str:
    """The image in base64, verified and written anew; empty if it is none."""
    if not isinstance(text, str):
        return ""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        return base64.b64encode(check(data)).decode()
    except (ValueError, binascii.Error, struct.error, IndexError):
        return ""


def png(data: bytes) -> bytes:
    """A PNG file with nothing in it but the picture.

    Raises:
        ValueError: if the file is damaged, too large in pixels, or something else.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("data: want a PNG file")
    parts, place, names = [data[:8]], 8, []
    while names[-1:] != [b"IEND"]:
        (size,) = struct.unpack_from(">I", data, place)
        chunk = data[place + 4 : place + 8 + size]
        (checksum,) = struct.unpack_from(">I", data, place + 8 + size)
        if zlib.crc32(chunk) != checksum:
            raise ValueError("data: a part of this PNG file is damaged")
        names.append(chunk[:4])
        if chunk[:4] in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            parts.append(data[place : place + 12 + size])
        place += 12 + size
    if names[0] != b"IHDR" or b"IDAT" not in names:
        raise ValueError("data: this PNG file has no picture")
    _check_size(*struct.unpack_from(">II", data, 16))
    return b"".join(parts)


def jpeg(data: bytes) -> bytes:
    """A JPEG file with nothing in it but the picture.

    Raises:
        ValueError: if the file is damaged, too large in pixels, or something else.
    """
    end = data.rfind(b"\xff\xd9")
    if data[:2] != b"\xff\xd8" or end < 0:
        raise ValueError("data: want a JPEG file")
    parts, place, frames = [data[:2]], 2, 0
    while True:
        mark, kind, size = struct.unpack_from(">BBH", data, place)
        if mark != 0xFF or size < 2 or kind in (0x00, 0xFF) or 0xD0 <= kind <= 0xD9:
            raise ValueError("data: a part of this JPEG file is damaged")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, place + 5)
            _check_size(width, height)
            frames += 1
        if kind == 0xDA:  # the picture itself, up to the end
            break
        if not 0xE1 <= kind <= 0xEF and kind != 0xFE:  # neither an application's part nor a comment
            parts.append(data[place : place + 2 + size])
        place += 2 + size
    if frames != 1:
        raise ValueError("data: this JPEG file has no picture")
    return b"".join([*parts, data[place : end + 2]])


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= _MOST_PIXELS:
        raise ValueError(f"data: got {width} × {height} pixels; want at most {_MOST_PIXELS}")
