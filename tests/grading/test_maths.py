r"""Formulas in formgrader and in the feedback: set without network, and harmless whoever wrote them."""

import subprocess
import sys
import time

import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers

from grading.course import ROOT, Course
from grading.maths import formula, markdown2html
from tests.grading.test_hygiene import EVIL, Page

HOSTILE = [
    r"\href{javascript:alert(1)}{x}",
    r"\url{javascript:alert(1)}",
    r"\includegraphics{https://evil.example/x.png}",
    r"\htmlStyle{background:url(https://evil.example)}{x}",
    r"\text{</math><script>alert(1)</script>}",
    r"\color{red\"onload=alert(1)}x",
    r"\unknown{<img src=x onerror=alert(1)>}",
    r"\begin{<script>}x\end{<script>}",
    r"\def\a{\a\a}\a",
    "x_{" * 3000,
    "\x00\ud800",
    *EVIL,
]


def test_processes_that_have_set_a_formula_come_to_an_end():
    """A dozen at once: without an orderly farewell to V8, some of them wait for ever."""
    code = "from lectures.website.maths import render; render('x')"
    many = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(12)]
    try:
        assert [process.wait(60) for process in many] == [0] * 12
    finally:
        for process in many:
            process.kill()
            process.wait()


def test_formulas_become_mathml():
    html = markdown2html({}, "If $a < b$, then\n\n$$\\frac{a}{b} \\in \\mathbf R$$\n\nhence `$x$`.")
    assert "<mo>&lt;</mo>" in html
    assert 'display="block"' in html
    assert "<mfrac>" in html
    assert '<mi mathvariant="bold">R</mi>' in html
    assert "<code>$x$</code>" in html, "code is not maths"
    assert "frac{a}" not in html


@pytest.mark.parametrize(
    ("tex", "letters"), [(r"\mathbb{EN}", "𝔼ℕ"), (r"\mathcal L", "ℒ"), (r"\mathfrak{Cg}", "ℭ𝔤")]
)
def test_other_alphabets_are_characters_of_their_own(tex, letters):
    html = formula(tex)
    assert all(letter in html for letter in letters)
    assert "mathvariant" not in html.replace('mathvariant="normal"', "")


@pytest.mark.parametrize("tex", HOSTILE)
@pytest.mark.parametrize("mark", ["$", "$$"])
def test_a_hostile_formula_is_text(tex, mark):
    begin = time.process_time()
    html = formula(tex, display=mark == "$$")
    assert time.process_time() - begin < 2
    assert Page(html).harmless, html


def test_a_formula_that_cannot_be_read_stays():
    assert formula(r"\frac{1}{<") == r"<code>$\frac{1}{&lt;$</code>"


def test_both_of_nbgraders_pages_are_set_up():
    """Neither the feedback nor formgrader fetches MathJax; formgrader's script gets its stand-in."""
    for name in ("feedback", "formgrade"):
        config = Course().config()
        config.HTMLExporter.template_name = name
        config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
        exporter = HTMLExporter(config=config)
        assert exporter.environment.filters["markdown2html"] is markdown2html
        macro = exporter.environment.get_template("mathjax.html.j2").module.mathjax()
        assert "Interest" in macro
        assert "src=" not in macro
