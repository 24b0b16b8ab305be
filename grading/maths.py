"""Formulas in formgrader and in the feedback: MathML, which browsers draw without script or network.

nbgrader's pages are nbconvert's, so a filter and a template of nbconvert's do it for both (see
`Course.config`): `markdown2html` here sets formulas by the KaTeX that sets those of the website, and
`jupyter/nbconvert/` takes out the script that would fetch MathJax. All students of a unit share its text, so
after the first page nearly every formula has been set before.
"""

import re
import unicodedata
from html import escape
from typing import Any

from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from lectures.website.maths import render

_STYLED = re.compile(r'mathvariant="(double-struck|script|fraktur)">([^<&]+)</m')
_ALPHABETS = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT", "fraktur": "FRAKTUR"}


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """In the place of nbconvert's filter of this name: the HTML of a Markdown cell, or of a comment."""
    cell = context.get("cell") or NotebookNode()
    return MarkdownWithMath(_Renderer(escape=False, attachments=cell.get("attachments"))).render(
        source
    )


def formula(tex: str, display: bool = False) -> str:
    r"""The MathML of a formula, or its source, as code, if KaTeX cannot read it.

    >>> formula(r"\mathbb E")
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow><mi mathvariant="normal">𝔼</mi></mrow></math>'
    """
    try:
        found = render(tex, display, "mathml")
    except ValueError:
        mark = "$$" if display else "$"
        return f"<code>{mark}{escape(tex)}{mark}</code>"
    inner = found[found.index("<math") : found.index("</math>")] + "</math>"
    return _STYLED.sub(_letters, inner.replace("<semantics>", "").replace("</semantics>", ""))


class _Renderer(IPythonRenderer):
    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return formula(body, display=True)

    def latex_environment(self, name: str, body: str) -> str:
        return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True)


def _letters(styled: re.Match) -> str:
    """Letters of another alphabet as characters of their own: browsers no longer make them."""
    alphabet = _ALPHABETS[styled[1]]
    return f'mathvariant="normal">{"".join(_letter(alphabet, c) for c in styled[2])}</m'


def _letter(alphabet: str, letter: str) -> str:
    case = "CAPITAL" if letter.isupper() else "SMALL"
    for begin in (f"MATHEMATICAL {alphabet}", alphabet.replace("FRAKTUR", "BLACK-LETTER")):
        try:
            return unicodedata.lookup(f"{begin} {case} {letter.upper()}")
        except KeyError:
            pass
    return letter
