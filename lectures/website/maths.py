"""Formulas are set while the site is built, by KaTeX in an embedded JavaScript engine.

Pages then need no script and no network for their maths, carry MathML for screen readers, and a
formula that KaTeX cannot read is a warning that names its page, which fails the build.
"""

import atexit
import re
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import Any

KATEX = Path(__file__).parent / "katex" / "katex.min.js"
# strict: what LaTeX itself would not take is an error here; letters of other alphabets are fine
RENDER = """(tex, display, output) => katex.renderToString(tex, {displayMode: display, output: output,
throwOnError: true, strict: code => code === "unicodeTextInMathMode" ? "ignore" : "error",
maxSize: 50})"""

ANNOTATION = re.compile(r"<annotation\b.*?</annotation>", re.DOTALL)  # TeX once more, unseen


@cache
def _engine() -> Any:
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    engine.eval(KATEX.read_text(encoding="utf-8"))
    engine.eval(f"render = {RENDER}")
    atexit.register(engine.close)  # else a thread of V8's may keep the process from ending
    return engine


@lru_cache(4096)
def render(tex: str, display: bool = False, output: str = "htmlAndMathml") -> str:
    """The HTML of a formula; with `output="mathml"`, only the part that needs no style sheet.

    Raises:
        ValueError: if KaTeX cannot read it; says what KaTeX says.
    """
    from py_mini_racer import JSEvalException

    try:
        return ANNOTATION.sub("", _engine().call("render", tex, display, output))
    except JSEvalException as problem:
        raise ValueError(str(problem).split("\n    at ")[0].split("ParseError: ")[-1]) from None


def _visit(writer: Any, node: Any, display: bool) -> None:
    from docutils.nodes import SkipNode
    from sphinx.util import logging

    tex = node.astext()
    try:
        formula = render(tex, display)
    except ValueError as problem:
        logging.getLogger(__name__).warning("unreadable formula: %s", problem, location=node)
        formula = escape(tex)
    tag = "div" if display else "span"
    writer.body.append(f'<{tag} class="math notranslate">{formula}</{tag}>')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer(
        "katex",
        inline_renderers=(lambda writer, node: _visit(writer, node, False), None),
        block_renderers=(lambda writer, node: _visit(writer, node, True), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
