"""The source folder that Sphinx reads: notebooks with alternative texts, pages, downloads, cards.

Whatever units lie on disk are taken: lectures/*.ipynb and exercises/*/*.ipynb (the released ones;
solutions/ is never opened). The downloads are the very files of the course.
"""

import base64
import html
import json
import re
import shutil
import struct
from pathlib import Path

from lectures.execute import VIEW
from lectures.website import api
from lectures.website.alt import alt_text, plain

HERE = Path(__file__).parent
ARXIV = re.compile(r"(?<![\w/\[.])arXiv:\s?(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})")
LECTURE = re.compile(r"`lectures/(\w+)\.ipynb`")
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")


class Unfit(Exception):
    """What keeps the site from being built, one complaint per line."""


def stage(root: Path, source: Path) -> dict[str, int]:
    """Write the source folder of the course at `root`; return how many figures each page must show.

    Raises:
        Unfit: a figure that nothing describes, a lecture that was not run, a solution in a release.
    """
    source.mkdir(parents=True)
    lectures = sorted((root / "lectures").glob("*.ipynb"))
    exercises = sorted((root / "exercises").glob("*/*.ipynb"))
    complaints: list[str] = []
    figures: dict[str, int] = {}
    cards: list[str] = []
    contents: dict[str, list[str]] = {"lectures": [], "exercises": []}
    partners = {path.stem for path in lectures} & {path.stem for path in exercises}
    for kind, paths in {"lectures": lectures, "exercises": exercises}.items():
        (source / kind).mkdir()
        (source / "downloads" / kind).mkdir(parents=True)
        for path in paths:
            book = json.loads(path.read_text(encoding="utf-8"))
            where = path.relative_to(root).as_posix()
            if kind == "exercises" and "BEGIN SOLUTION" in json.dumps(book):
                complaints.append(f"{where}: holds a solution; run make exercises")
            pictures, faults = describe(book["cells"], where)
            complaints += faults
            if kind == "lectures":
                complaints += unrun(book["cells"], where)
                cards.append(card(book["cells"], pictures, path.stem, source))
            figures[f"{kind}/{path.stem}.html"] = len(pictures)
            contents[kind].append(f"{name(book['cells'], path.stem)} <{kind}/{path.stem}>")
            finish(book["cells"], kind, path.stem, path.stem in partners)
            (source / kind / path.name).write_text(json.dumps(book), encoding="utf-8")
            shutil.copy(path, source / "downloads" / kind / path.name)
    if complaints:
        raise Unfit("\n".join(complaints))
    shutil.copy(root / "lectures" / "cover.png", source)
    shutil.copy(HERE / "notation.md", source)
    index = (HERE / "index.md").read_text(encoding="utf-8")
    for mark, lines in {"units": cards, **contents}.items():
        index = index.replace(f"<!-- {mark} -->", "\n".join(lines))
    (source / "index.md").write_text(index, encoding="utf-8")
    api.write(root / "dgm_lib", source / "api")
    return figures


def describe(cells: list[dict], where: str) -> tuple[list[tuple[dict, str]], list[str]]:
    """Give each figure its alternative text, where myst-nb looks for it.

    Returns:
        The figures (their data, and the cell's text), and complaints that name cells.
    """
    pictures, complaints = [], []
    for index, cell in enumerate(cells):
        data = [output.get("data", {}) for output in cell.get("outputs", [])]
        data = [one for one in data if any(mime in one for mime in IMAGES)]
        if not data:
            continue
        text = alt_text(cells, index)
        if not text:
            complaints.append(
                f"{where}, cell {cell['id']!r}: a figure, and no sentence beside it says what it "
                'shows. Write one below it, or put "alt" into the cell\'s metadata.'
            )
        cell["metadata"].setdefault("mystnb", {})["image"] = {"alt": text}
        pictures += [(one, text) for one in data]
    return pictures, complaints


def unrun(cells: list[dict], where: str) -> list[str]:
    """A complaint for each figure that the code draws and the file does not hold."""
    return [
        f"{where}, cell {cell['id']!r}: draws a figure, and none is stored. Run make lectures."
        for cell in cells
        if cell["cell_type"] == "code"
        and re.search(r"plt\.show\(\)|^(explore|film)\(", "".join(cell["source"]), re.MULTILINE)
        and not any("image/png" in output.get("data", {}) for output in cell["outputs"])
    ]


def finish(cells: list[dict], kind: str, unit: str, has_partner: bool) -> None:
    """Buttons under the title, links for papers and neighbours; a sentence for what only moves in
    JupyterLab; times of the run do not matter.
    """
    other = {"lectures": "exercises", "exercises": "lectures"}[kind]
    number = unit.split("_")[0]
    buttons = [f"{{download}}`Download the notebook <../downloads/{kind}/{unit}.ipynb>`"]
    if has_partner:
        label = {"exercises": "Exercise", "lectures": "Lecture"}[other]
        buttons.append(f"[{label} {number}](../{other}/{unit}.ipynb)")
    for cell in cells:
        if cell["cell_type"] == "markdown":
            text = ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", "".join(cell["source"]))
            cell["source"] = LECTURE.sub(r"[\g<0>](../lectures/\1.ipynb)", text)
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                told = html.escape("".join(output["data"]["text/plain"]))
                output["data"] = {"text/html": f'<p class="course-control">{told}</p>'}
    title, _, rest = cells[0]["source"].partition("\n")
    cells[0]["source"] = f"{title}\n\n:::{{div}} course-buttons\n{' '.join(buttons)}\n:::\n{rest}"


def richness(data: dict) -> float:
    """How much there is to see on a small card: the detail of a picture that is not a wide strip."""
    png = base64.b64decode("".join(data["image/png"]))
    width, height = struct.unpack(">II", png[16:24])
    return len(png) if 0.9 < width / height < 2.2 else len(png) / 4


def name(cells: list[dict], unit: str) -> str:
    """How the menu and the cards call a unit: its number and the title of its notebook."""
    title = "".join(cells[0]["source"]).splitlines()[0]
    title = re.sub(r"^#\s*(Lecture|Exercise)?\s*\d*\s*[·:.]?\s*", "", title).strip()
    return f"{unit.split('_')[0]} · {title[0].upper()}{title[1:]}"


def card(cells: list[dict], pictures: list[tuple[dict, str]], unit: str, source: Path) -> str:
    """A unit on the landing page: title, first words, and the figure tagged "cover" or the richest."""
    _, first, *_ = "".join(cells[0]["source"]).split("\n\n")
    text = re.sub(r"^\*\*[^*]*\*\*\s*", "", first)
    text = " ".join(re.split(r"(?<=[.?!])\s+(?=[A-Z])", plain(text))[:2])
    tagged = [
        output["data"]
        for cell in cells
        if "cover" in cell["metadata"].get("tags", [])
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    raster = tagged or [data for data, _ in pictures if "image/png" in data]
    lines = [f":::{{grid-item-card}} {name(cells, unit)}"]
    if raster:
        best = max(raster, key=richness)
        (source / "covers").mkdir(exist_ok=True)
        (source / "covers" / f"{unit}.png").write_bytes(
            base64.b64decode("".join(best["image/png"]))
        )
        alt = next(text for data, text in pictures if data is best)
        lines += [f":img-top: covers/{unit}.png", f":img-alt: {alt}"]
    lines += [f":link: lectures/{unit}", ":link-type: doc", "", text, ":::", ""]
    return "\n".join(lines)
