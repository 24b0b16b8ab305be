"""Nothing of a student's reaches a terminal, a page or a table but plain text and pictures."""

import base64
import csv
import io
import re
import struct
import time
import unicodedata
import zlib
from functools import cache
from html.parser import HTMLParser

import matplotlib
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import markdown2html
from PIL import Image

from dgm_lib.checks.report import Outcome, Report
from grading import hygiene
from grading.preprocessor import remarks, sentence
from grading.verdict import Verdict

matplotlib.use("agg")

EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</pre></div></script><svg onload=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe><object data=x></object><style>*{}</style>",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "`</code><script>alert(1)</script>` ``x``",
    "$\\href{javascript:alert(1)}{x}$ \\begin{equation}x\\end{equation} \\(y\\) $$z$$",
    "&lt;script&gt; {{ 7*7 }} {% raw %}",
    "\x1b]0;title\x07\x1b[2J\x9b31m\u202ereversed\u2066\x00\x08",
]
TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b[]()\x07\x9b\x9d\\;m0\r\n\u202e<>&`$\ud800"))
)


class Page(HTMLParser):
    """The elements of a page, its attributes, and its text outside of scripts and styles."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.maths = ""
        """Text in which MathJax looks for formulas."""
        self._quiet = 0
        self._open: list[bool] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("img", "br", "link", "meta", "input", "hr", "col", "wbr"):
            quiet = tag in ("pre", "code", "script", "style", "textarea")
            quiet = quiet or "tex2jax_ignore" in (dict(attrs).get("class") or "").split()
            self._open.append(quiet)
            self._quiet += quiet

    def handle_endtag(self, tag):
        if self._open:
            self._quiet -= self._open.pop()

    def handle_data(self, data):
        if not self._quiet:
            self.maths += data

    @property
    def harmless(self) -> bool:
        bad = {
            "script",
            "svg",
            "iframe",
            "object",
            "embed",
            "style",
            "link",
            "form",
            "base",
            "meta",
        }
        return (
            not bad & set(self.tags)
            and not any(name.startswith("on") for name, _ in self.attributes)
            and not any(
                re.match(r"\s*(javascript|vbscript|https?|//)", value or "")
                for name, value in self.attributes
                if name in ("href", "src", "data", "action", "style")
            )
            and not re.search(r"\$|\\\(|\\\[|\\begin", self.maths)
        )


@pytest.mark.parametrize("text", EVIL[:-2])
def test_evil_is_evil(text):
    """These tests would see it if nothing were done about it."""
    assert not Page(f"<p>{text}</p>").harmless or not Page(markdown2html(text)).harmless


@settings(max_examples=300, deadline=None)
@given(text=TEXT, most=st.integers(2, 60))
def test_clean_text_is_clean(text, most):
    came = hygiene.clean(text, most)
    assert len(came) <= most
    came.encode()  # no lone surrogates
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in came)
    assert not set(came) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
    assert hygiene.clean(came, most) == came


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=50))
def test_plain_text_stays_as_it_is(text):
    assert hygiene.clean(text, 50) == text


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;own the title\x07x", "x"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2\x1b\\x", "x"),
        ("\x1b]52;never ended", "52;never ended"),
        ("\x9b31mred", "red"),
        ("\x1b[2J\x1b[Hx\x1bc", "x"),
        ("10%\r50%\r100%\r\ndone", "100%\ndone"),
        ("a\x08b\x00c\x7f", "abc"),
        ("exe\u202egpj", "exegpj"),
        ("\ud800x", "\ufffdx"),
        ("one\u2028two", "one\ntwo"),
        (3.5, "3.5"),
    ],
)
def test_what_goes_and_what_stays(text, want):
    assert hygiene.clean(text) == want


def test_long_text_is_cut_and_quickly_cleaned():
    assert hygiene.clean("x" * 10_000_000, 10) == "xxxxxxxx …"
    started = time.process_time()
    for part in ("\x1b[", "\x1b]", "\x1b]a", "\r", "\x9d", "\x9b1", "\x90", "\x1bP;"):
        hygiene.clean(part * 200_000, 1_000_000)  # a quadratic expression would take minutes
    assert time.process_time() - started < 10


@given(text=TEXT)
def test_a_line_is_one_line(text):
    assert len(hygiene.line(text).splitlines()) <= 1
    assert "\t" not in hygiene.line(text)


@pytest.mark.parametrize("text", EVIL)
def test_code_spans_and_reports_show_evil_as_text(text):
    assert Page(markdown2html(f"It said {hygiene.code(text)} and {hygiene.code(text)}.")).harmless
    outcomes = [Outcome("p", 1, False, text, "hint")]
    report = Report("f", outcomes, "wrong", notes=[text])
    assert Page(report.html()).harmless
    assert Page(hygiene.report(report).html()).harmless


@given(text=TEXT)
def test_code_spans_hold_together(text):
    page = Page(markdown2html(f"a {hygiene.code('x' + text)} b"))
    assert page.tags == ["p", "code"]
    assert page.maths.split() == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\x1b[0m=1", "＝1"]
)
def test_no_cell_of_a_table_is_a_formula(text):
    file = io.StringIO()
    csv.writer(file).writerow([hygiene.cell(text)])
    assert file.getvalue().lstrip('"').startswith("'")


def test_other_cells_of_a_table_stay():
    assert hygiene.cell("full") == "full"


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        *(("ada", True), ("ada@uni.edu", True), ("O'Brien, Ann-Marie (2)", True), ("学生7", True)),
        *(("", False), ("..", False), (".hidden", False), ("a/b", False), ("a\nb", False)),
        *(("=ada", False), ("-ada", False), ("<b>", False), ('a"b', False), ("a[b]", False)),
        *(("a*", False), ("\x1b[31m", False), ("a\u202eb", False), ("a" * 101, False)),
        ("a\ud800", False),
    ],
)
def test_names(name, fits):
    assert hygiene.is_name(name) is fits


def test_reports_are_clean_and_short():
    outcomes = [Outcome("p", 1, False, "\x1b[31m" + "x" * 9000)]
    report = hygiene.report(Report("f", outcomes, "wrong", notes=["\x07" + "y" * 9000] * 50))
    assert report.outcomes[0].message == "x" * 1998 + " …"
    assert len(report.notes) == 20
    assert {len(note) for note in report.notes} == {1000}


@pytest.mark.parametrize("text", EVIL)
def test_remarks_and_comments_are_harmless(text):
    report = Report("f", [Outcome("p", 1, True)], "full")
    note = f"The notebook was handed in as {hygiene.code(text)}; please call it `x` the next time."
    for verdict in (
        Verdict("u", {"f": report}, {}, notes=[note]),
        Verdict(
            "u", {"f": report}, {}, "no notebook", f"it was {hygiene.code(text)}", notes=[note]
        ),
    ):
        assert Page(markdown2html(remarks(verdict))).harmless
        assert Page(markdown2html(sentence(verdict, "f"))).harmless
        assert note in remarks(verdict)
        assert note in sentence(verdict, "f")


# outputs


@cache
def figure(kind: str) -> bytes:
    from matplotlib import pyplot

    made, axes = pyplot.subplots(figsize=(1, 1))
    axes.plot([1, 2])
    file = io.BytesIO()
    made.savefig(file, format=kind)
    pyplot.close(made)
    return file.getvalue()


def show(data: dict, kind: str = "display_data", **more: object) -> dict:
    return {"output_type": kind, "data": data, "metadata": {}, **more}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def rebuilt(*raw: object, most: int = 1 << 20) -> list[dict]:
    (outputs,) = hygiene.outputs({"cell": raw}, most).values()
    for output in outputs:
        nbformat.validate(nbformat.from_dict(output), ref="output", version=4, version_minor=5)
    return outputs


def test_text_and_pictures_survive():
    png, jpeg = figure("png"), figure("jpeg")
    outputs = rebuilt(
        {"output_type": "stream", "name": "stderr", "text": "careful\n"},
        show({"image/png": b64(png) + "\n", "text/plain": "<Figure>"}),
        show({"image/jpeg": b64(jpeg)}),
        show({"text/plain": "2"}, "execute_result", execution_count=7),
        {"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["\x1b[31mE\x1b[0m"]},
    )
    kinds = [o["output_type"] for o in outputs]
    assert kinds == ["stream", "display_data", "display_data", "execute_result", "error"]
    assert outputs[0]["text"] == "careful\n"
    assert outputs[4]["traceback"] == ["E"]
    for output, mime, file in ((outputs[1], "image/png", png), (outputs[2], "image/jpeg", jpeg)):
        kept = base64.b64decode(output["data"][mime])
        a, b = Image.open(io.BytesIO(kept)), Image.open(io.BytesIO(file))
        assert a.convert("RGB").tobytes() == b.convert("RGB").tobytes()


@pytest.mark.parametrize(
    "mime",
    [
        *("text/html", "application/javascript", "image/svg+xml", "text/latex", "text/markdown"),
        *("application/vnd.jupyter.widget-view+json", "application/pdf", "application/json", "x/y"),
    ],
)
def test_nothing_else_survives(mime):
    assert rebuilt(show({mime: "<b>"})) == []
    assert rebuilt(show({mime: {"model_id": "x"}, "text/plain": "p"})) == [
        show({"text/plain": "p"})
    ]


@pytest.mark.parametrize(
    "raw",
    [
        *(None, 3, "x", [], {}, {"output_type": "x"}, {"output_type": ["stream"]}),
        *({"output_type": "display_data"}, {"output_type": "display_data", "data": []}),
        *(show({"text/plain": 3}), show({"image/png": ["x"]}), show({3: 4})),
        {"output_type": "update_display_data", "data": {"text/plain": "x"}},
    ],
)
def test_rubbish_goes(raw):
    assert rebuilt(raw) == []


@pytest.mark.parametrize(
    "raw",
    [
        {"output_type": "stream", "name": "<script>", "text": ["a", "b"]},
        {"output_type": "stream", "name": ["stderr"]},
        {"output_type": "error", "ename": 3, "evalue": None, "traceback": "text"},
        {"output_type": "error", "traceback": [3, None, "x"]},
        show({"text/plain": "\ud800"}, metadata={"isolated": True, "image/png": {"width": '"x'}}),
    ],
)
def test_odd_outputs_become_valid(raw):
    (output,) = rebuilt(raw)
    assert output.get("name", "stdout") in ("stdout", "stderr")
    assert output.get("metadata", {}) == {}


@pytest.mark.parametrize(
    "image",
    [
        '"><script>alert(1)</script>',
        b64(b"\x89PNG\r\n\x1a\n"),
        b64(b"<svg onload='alert(1)'/>"),
        b64(b"GIF89a" + b"\0" * 20),
        b64(b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b"")),
        b64(b"\x89PNG\r\n\x1a\n<script>alert(1)</script>"),
        b64(figure("png")[:-30]),
        b64(figure("png")[:-40] + b"flip" + figure("png")[-36:]),
        b64(figure("png").replace(b"IDAT", b"IDAX")),
        b64(figure("png")) + "<",
        "",
    ],
)
def test_no_picture_no_image(image):
    assert rebuilt(show({"image/png": image})) == []
    assert rebuilt(show({"image/jpeg": image})) == []


def test_a_picture_carries_nothing_else():
    data = figure("png")
    at = data.index(b"IDAT") - 4
    evil = chunk(b"tEXt", b"Comment\0<script>") + chunk(b"iCCP", b"<script>")
    (output,) = rebuilt(show({"image/png": b64(data[:at] + evil + data[at:] + b"<script>")}))
    assert b"<script>" not in base64.b64decode(output["data"]["image/png"])
    data = figure("jpeg")
    comment = b"\xff\xfe" + struct.pack(">H", 10) + b"<script>"
    (output,) = rebuilt(show({"image/jpeg": b64(data[:2] + comment + data[2:] + b"<script>")}))
    assert b"<script>" not in base64.b64decode(output["data"]["image/jpeg"])


def test_a_picture_too_large_for_a_browser_goes():
    head = struct.pack(">II5B", 1 << 16, 1 << 16, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")
    assert rebuilt(show({"image/png": b64(b"\x89PNG\r\n\x1a\n" + b"".join(parts))})) == []


@given(data=st.binary(max_size=60), place=st.integers(0, 3000), jpeg=st.booleans())
@settings(max_examples=200, deadline=None)
def test_damaged_pictures_never_raise(data, place, jpeg):
    kind = "jpeg" if jpeg else "png"
    file = figure(kind)
    rebuilt(show({f"image/{kind}": b64(file[:place] + data + file[place + len(data) :])}))


def test_bytes_are_capped_over_all_cells():
    stream = {"output_type": "stream", "name": "stdout", "text": "é" * 400}
    first, second, third = hygiene.outputs(
        {cell: [stream, stream] for cell in "abc"}, 1000
    ).values()
    assert first == [stream, {**stream, "text": "é" * 100 + hygiene.CUT}]
    assert second == third == []


def test_a_text_that_shrinks_is_still_said_to_be_cut():
    stream = {"output_type": "stream", "name": "stdout", "text": "\x1b[0m" * 1000 + "the end"}
    assert rebuilt(stream, most=100) == [{**stream, "text": hygiene.CUT}]


def test_the_number_of_outputs_is_capped_over_all_cells():
    many = [show({"text/plain": str(i)}) for i in range(80)]
    first, second, third = hygiene.outputs(dict.fromkeys("abc", many), 1 << 20).values()
    assert len(first) == 80
    assert second[:-1] == many[:20]
    assert second[-1]["text"] == hygiene.CUT
    assert third == []


def test_a_picture_over_the_cap_goes_and_text_stays():
    image = b64(figure("png"))
    assert rebuilt(show({"image/png": image, "text/plain": "F"}), most=100) == [
        show({"text/plain": "F"})
    ]


RAW = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "output_type name text data metadata text/plain image/png ename evalue traceback".split()  # noqa: SIM905
            ),
            inner | st.sampled_from(["stream", "error", "display_data", "execute_result"]),
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(raw=st.lists(RAW, max_size=4), most=st.integers(0, 50))
def test_any_output_becomes_valid(raw, most):
    rebuilt(*raw, most=most)


@pytest.mark.parametrize("text", EVIL)
def test_a_page_shows_source_and_outputs_as_text(text):
    """nbconvert escapes source, streams, text and errors; this would say if it no longer did."""
    cell = nbformat.v4.new_code_cell(hygiene.source(f"'''{text}\n# {text}"))
    plain = f"x\n{text}"
    cell.outputs = [
        nbformat.from_dict(output)
        for output in rebuilt(
            {"output_type": "stream", "name": "stdout", "text": plain},
            {"output_type": "error", "ename": plain, "evalue": plain, "traceback": [plain]},
            show({"text/plain": plain}, "execute_result"),
            show({"text/html": plain, "text/latex": plain, "image/png": plain}),
        )
    ]
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(
        nbformat.v4.new_notebook(cells=[cell])
    )
    assert Page(html[html.index("<body") :]).harmless
