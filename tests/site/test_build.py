"""What fails the build of the site: each fault is planted, and must be named.

The finished pages are looked at in tests/browser/test_site.py.
"""

import base64
import html
import json
import struct
import zlib
from pathlib import Path

import pytest

from lectures.execute import VIEW
from lectures.website import alt, api, check, docstring, stage


def png() -> str:
    """One white pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + body).decode()


def text(source: str) -> dict:
    return {"cell_type": "markdown", "id": "text", "metadata": {}, "source": source}


def figure(source: str = "plt.show()", name: str = "drawing", **metadata: str) -> dict:
    shown = {"output_type": "display_data", "metadata": {}, "data": {"image/png": png()}}
    code = {"cell_type": "code", "id": name, "metadata": metadata, "source": source}
    return code | {"execution_count": 1, "outputs": [shown]}


TITLE = text("# 99 · A unit\n\nWhat it is about. And more.")


@pytest.fixture
def course(tmp_path) -> Path:
    """A course of one unit, with nothing wrong."""
    for folder in ("lectures", "exercises/99_unit", "dgm_lib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lectures" / "cover.png").write_bytes(base64.b64decode(png()))
    (tmp_path / "dgm_lib" / "__init__.py").write_text('"""A library."""')
    write(tmp_path / "lectures" / "99_unit.ipynb", [TITLE, figure(), text("The curve climbs.")])
    write(tmp_path / "exercises" / "99_unit" / "99_unit.ipynb", [TITLE])
    return tmp_path


def write(path: Path, cells: list[dict]) -> None:
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )


def test_a_sound_course_is_staged(course):
    figures = stage.stage(course, course / "source")
    assert figures == {"lectures/99_unit.html": 1, "exercises/99_unit.html": 0}
    staged = json.loads((course / "source" / "lectures" / "99_unit.ipynb").read_text())
    assert staged["cells"][1]["metadata"]["mystnb"]["image"]["alt"] == "The curve climbs."
    assert "Download the notebook" in staged["cells"][0]["source"]
    release = course / "exercises" / "99_unit" / "99_unit.ipynb"
    copy = course / "source" / "downloads" / "exercises" / "99_unit.ipynb"
    assert copy.read_bytes() == release.read_bytes()
    index = (course / "source" / "index.md").read_text()
    assert "99 · A unit <lectures/99_unit>" in index
    assert "What it is about." in index


def test_a_control_becomes_a_sentence(course):
    told = "In JupyterLab: controls for h < 1. Run this cell to use them."
    view = {"output_type": "display_data", "metadata": {}, "data": {VIEW: {}, "text/plain": told}}
    drawn = figure("explore(draw, h=slider(0.5, 0, 1))")
    drawn["outputs"].append(view)
    write(course / "lectures" / "99_unit.ipynb", [TITLE, drawn, text("The curve climbs.")])
    assert stage.stage(course, course / "source")["lectures/99_unit.html"] == 1
    staged = json.loads((course / "source" / "lectures" / "99_unit.ipynb").read_text())
    sentence = staged["cells"][1]["outputs"][1]["data"]
    assert sentence == {"text/html": f'<p class="course-control">{html.escape(told)}</p>'}


@pytest.mark.parametrize(
    ("file", "cells", "complaint"),
    [
        (
            "lectures/99_unit",
            [TITLE, text("## Bare"), figure(), text("## Next")],
            "'drawing': a fig",
        ),
        ("lectures/99_unit", [TITLE, figure() | {"outputs": []}, text("A.")], "none is stored"),
        (
            "lectures/99_unit",
            [TITLE, figure("film(draw, 9)") | {"outputs": []}, text("A.")],
            "none is stored",
        ),
        ("exercises/99_unit/99_unit", [TITLE, text("### BEGIN SOLUTION")], "holds a solution"),
    ],
)
def test_a_fault_is_named_with_its_file(course, file, cells, complaint):
    write(course / f"{file}.ipynb", cells)
    with pytest.raises(stage.Unfit, match=f"{file}.*{complaint}"):
        stage.stage(course, course / "source")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([figure(), text("*What to see.* Two $x_i$ meet. More.\n\nElse.")], "Two x_i meet. More."),
        ([text("Why so. Here are two:"), figure(), text("**Try it.** Twice.")], "Here are two."),
        (
            [text("Here is one:"), figure(), text("It *falls*. It does.")],
            "Here is one. It falls. It does.",
        ),
        ([text("That is why."), figure(), text("It falls.")], "It falls."),
        ([figure("plt.title('Law')"), text("It falls.")], "Titles: Law. It falls."),
        ([figure(alt="By hand."), text("It falls.")], "By hand."),
        ([text("# Title"), figure(), text("$$x$$")], ""),
    ],
)
def test_alternative_texts(cells, told):
    index = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")
    assert alt.alt_text(cells, index) == told


SOUND = (
    '<img src="a.png" alt="a hill"><a href="#top">up</a><p id="top">x</p><a href="b.html#c">b</a>'
)


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ("", None),
        ('<a href="nowhere.html">x</a>', "broken link nowhere.html"),
        ('<a href="b.html#d">x</a>', "broken link b.html#d: no such place"),
        ('<img src="gone.png" alt="a hill">', "missing picture 'gone.png'"),
        ('<img src="empty.png" alt="a hill">', "missing picture 'empty.png'"),
        ('<img src="a.png">', "no alternative text"),
        ('<img src="a.png" alt=" ">', "no alternative text"),
        ("<p>so $x^2$ grows</p>", "raw maths"),
        ("<p>so \\frac{1}{2} is left</p>", "raw maths"),
        ("<p>\\(x\\)</p>", "raw maths"),
        ("<p>it costs $5</p><code>$x$</code><pre>\\frac</pre>", None),
        ('<span class="katex-error" title="ParseError">x</span>', "unreadable formula: ParseError"),
        ('<script src="https://cdn.example/a.js"></script>', "fetches https://cdn.example/a.js"),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', "fetches //cdn.example/a.css"),
        ('<a href="https://arxiv.org/abs/1605.08803">paper</a>', None),
        (f"<!-- {'x' * check.HEAVIEST} -->", "more than 2 MB"),
        ('<div class="cell_output"><p><img src="a.png" alt="b"></p></div>', "shows 1 figures of 0"),
    ],
)
def test_what_a_page_must_not_have(tmp_path, html, complaint):
    (tmp_path / "a.png").write_bytes(base64.b64decode(png()))
    (tmp_path / "empty.png").touch()
    (tmp_path / "a.html").write_text(SOUND + html)
    (tmp_path / "b.html").write_text('<p id="c">x</p>')
    (tmp_path / "a.css").write_text("p { background: url(a.png) }")
    complaints, sizes = check.check(tmp_path, {"a.html": 0})
    assert set(sizes) == {"a.html", "b.html"}
    if complaint is None:
        assert complaints == []
    else:
        assert [complaint in one and one.startswith("a.html: ") for one in complaints] == [True]


def test_style_sheets_are_read_too(tmp_path):
    (tmp_path / "a.css").write_text(
        "@font-face { src: url(https://x.example/f) url('gone.woff2') }"
    )
    complaints, _ = check.check(tmp_path, {"lost.html": 1})
    assert complaints == [
        "lost.html: no such page",
        "a.css: fetches https://x.example/f",
        "a.css: missing gone.woff2",
    ]


def test_a_formula_is_set_or_refused():
    pytest.importorskip("py_mini_racer")
    from lectures.website.maths import render

    assert "katex-html" in render(r"\frac{\partial \mathbf z}{\partial \mathbf x}")
    assert "<mfrac>" in render(r"\frac12"), "a screen reader gets MathML"
    assert "display" in render("x", True)
    assert render("x") != render("y")
    for wrong in (r"\frac{1}{2", r"\nosuchcommand", "x_1_2"):
        with pytest.raises(ValueError, match=r"."):
            render(wrong)


def test_docstrings_become_pages(tmp_path):
    library = tmp_path / "dgm_lib"
    (library / "flows").mkdir(parents=True)
    (library / "__init__.py").write_text('"""A library."""')
    (library / "flows" / "__init__.py").write_text('"""Maps.\n\nmap   one\nmask  two\n"""\n')
    (library / "flows" / "map.py").write_text(
        'class Map(nn.Module):\n    """z = a_i * x_i.\n\n    Args:\n        d: how many.\n    """\n\n'
        '    def forward(self, x: Float[Tensor, " n d"], k: int = 2) -> Float[Tensor, " n"]:\n'
        '        """Data to noise, arXiv:1605.08803."""\n\n    def _own(self): ...\n'
    )
    api.write(library, tmp_path / "api")
    page = (tmp_path / "api" / "flows.md").read_text()
    assert "* - [`map`](#map)\n  - one" in page
    assert "z = a\\_i \\* x\\_i." in page
    assert "**Args**\n\n- `d`: how many." in page
    assert "{py:method} forward(x: Float[Tensor, ' n d'], k: int=2) -> Float[Tensor, 'n']" in page
    assert "[arXiv:1605.08803](https://arxiv.org/abs/1605.08803)" in page
    assert "_own" not in page


def test_formulas_and_examples_in_docstrings_stay_as_they_are():
    told = docstring.to_markdown("A law:\n\n    p(x) = 2 * x\n\n>>> 1 + 1\n2")
    assert told == "A law:\n\n```text\np(x) = 2 * x\n```\n\n```python\n>>> 1 + 1\n2\n```"
