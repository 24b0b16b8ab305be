"""Alternative texts: what a figure shows, in words, for those who cannot see it.

The course has a rule that helps: beside every figure stands a sentence that says what to see. The
text of a figure is the titles and axis labels that its code writes (they are pixels in the picture,
so a screen reader cannot read them there) and then what is said beside it: the last sentence before,
if it announces a picture, and the start of the text that follows, if that is not a new topic; where
neither is found, the last sentence before. `"alt"` in a cell's metadata overrules all of this.
"""

import ast
import re

TITLES = {"title", "set_title", "suptitle"}
LABELS = {"xlabel", "ylabel", "set_xlabel", "set_ylabel"}
LONGEST = 280
ANNOUNCES = re.compile(r"\b(here|picture|figure|panel|show|shows|below|look|watch|see)\b", re.I)
SAID = {"mid": "|", "le": "≤", "ge": "≥", "ne": "≠", "approx": "≈", "to": "→", "infty": "∞"}
SAID |= {"cdot": "·", "times": "×", "partial": "∂", "in": "∈", "top": "T", "hat": ""}


def alt_text(cells: list[dict], index: int) -> str:
    """The alternative text of the figures of a notebook's cell, "" if nothing says what they show."""
    cell = cells[index]
    if "alt" in cell["metadata"]:
        return cell["metadata"]["alt"]
    before, after = _before(cells, index), _after(cells, index)
    said = [before] if before and (not after or ANNOUNCES.search(before)) else []
    caption = " ".join([*(f"{part.rstrip(':.')}." for part in said), *filter(None, [after])])
    if not caption:
        return ""
    return " ".join(filter(None, [written("".join(cell["source"])), caption]))


def written(code: str) -> str:
    """The titles and labels that a cell writes into its figure, as far as they are plain text.

    >>> written('ax.set(title="Two moons", xlabel="first"); plots.scatter(x, ax, title=f"{n} draws")')
    'Titles: Two moons. Axes: first.'
    """
    try:
        tree = ast.parse(re.sub(r"(?m)^\\s*[%!].*$", "", code))
    except SyntaxError:
        return ""
    found: dict[str, list[str]] = {"Titles": [], "Axes": []}

    def note(name: str, value: ast.expr) -> None:
        kind = "Titles" if name in TITLES else "Axes" if name in LABELS else None
        if kind and isinstance(value, ast.Constant) and isinstance(value.value, str):
            text = plain(value.value)
            if text and text not in found[kind]:
                found[kind].append(text)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.args:
                note(node.func.attr, node.args[0])
            for keyword in node.keywords:
                note(keyword.arg or "", keyword.value)
    parts = [f"{kind}: {'; '.join(texts)}." for kind, texts in found.items() if texts]
    return " ".join(parts)


def plain(markdown: str) -> str:
    r"""Markdown and TeX as a reader would say it.

    >>> plain("**Look:** `energy` of $\\mathbf x$ is $\\frac{1}{2} w_{ij}$, see [here](a.html)")
    'Look: energy of x is (1)/(2) w_ij, see here'
    """
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"\\[td]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"(\1)/(\2)", text)
    text = re.sub(r"\\[td]?frac\s*(\w)\s*(\w)", r"\1/\2", text)
    text = re.sub(r"\\(mathbf|mathbb|mathrm|mathcal|text|boldsymbol|operatorname)\b", "", text)
    text = re.sub(r"\\(left|right|,|;|!|quad)", " ", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda name: SAID.get(name[1], name[1]), text)
    text = re.sub(r"(?<!\w)\*{1,2}|\*{1,2}(?!\w)|[`${}\\]", "", text)
    return re.sub(r"\s+", " ", text).strip()


def _sentences(paragraph: str) -> list[str]:
    # a sentence ends before a capital letter, outside formulas
    return re.split(r"(?<=[.!?:])\s+(?=[A-Z*(])", plain(paragraph))


def _paragraphs(cell: dict) -> list[str]:
    return [part.strip() for part in "".join(cell["source"]).split("\n\n") if part.strip()]


def _tells(paragraph: str) -> bool:
    """Whether it is a paragraph of text, and not a heading, formula, table, prompt or box."""
    return not re.match(r"(#|\$\$|\||>|<|\*\*Try it)", paragraph)


def _after(cells: list[dict], index: int) -> str:
    following = cells[index + 1 :]
    # another figure may stand between, its own code is no text
    text = next((cell for cell in following if cell["cell_type"] == "markdown"), None)
    paragraphs = _paragraphs(text) if text else []
    if not paragraphs or not _tells(paragraphs[0]):
        return ""
    caption = ""
    for sentence in _sentences(re.sub(r"^\*What to see\.?\*\s*", "", paragraphs[0])):
        if caption and len(caption) + len(sentence) > LONGEST:
            break
        caption = f"{caption} {sentence}".strip()
    return caption.rstrip(":")


def _before(cells: list[dict], index: int) -> str:
    before = [cell for cell in cells[:index] if cell["cell_type"] == "markdown"]
    told = [part for part in _paragraphs(before[-1]) if _tells(part)] if before else []
    return _sentences(told[-1])[-1].rstrip(":") if told else ""
