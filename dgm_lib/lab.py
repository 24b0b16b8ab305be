"""JupyterLab on a start page: `python -m dgm_lib.lab`, in the folder that holds the course.

The page, START.md, lists the units in order: what each is about, how long it takes, and the points
so far. It is written anew each time, from the notebooks and the table in README.md. What follows
the command is passed on to JupyterLab.
"""

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from dgm_lib import study

PAGE = "START.md"
_SETTINGS = {
    "default_setting_overrides": {
        "@jupyterlab/apputils-extension:notification": {
            "checkForUpdates": False,
            "fetchNews": "false",
        },
        "@jupyterlab/docmanager-extension:plugin": {
            "defaultViewers": {"markdown": "Markdown Preview"}
        },
    },
    "page_config": {  # what only instructors need
        "disabledExtensions": {
            f"@jupyter/nbgrader:{name}": True
            for name in (
                "assignment-list",
                "course-list",
                "create-assignment",
                "formgrader",
                "menu",
            )
        }
    },
}
"""JupyterLab without its questions about news, and with Markdown shown as pages; only defaults."""


@dataclass(frozen=True)
class Entry:
    """One unit of the start page; what is missing is empty, or 0."""

    unit: str
    title: str
    about: str
    points: dict[str, float]
    """What each graded function is worth."""
    reading: int
    writing: int
    """Minutes for the lecture, and for the exercise."""


def entries(root: Path) -> list[Entry]:
    """The units that lie in this folder, in order."""
    lectures = {path.stem: path for path in root.glob("lectures/*.ipynb")}
    exercises = {path.parent.name: path for path in root.glob("exercises/*/*.ipynb")}
    readme = root / "README.md"
    described = _described(readme.read_text() if readme.is_file() else "")
    found = []
    for unit in sorted(lectures.keys() | exercises.keys()):
        lecture, exercise = _cells(lectures.get(unit)), _cells(exercises.get(unit))
        words = "".join("".join(c["source"]) for c in exercise if c["cell_type"] == "markdown")
        tasks = [c["metadata"].get("nbgrader", {}) for c in exercise]
        found.append(
            Entry(
                unit,
                *described.get(unit, (unit.replace("_", " "), "")),
                {
                    task["grade_id"].removeprefix("check_"): task["points"]
                    for task in tasks
                    if task.get("grade")
                },
                _reading("".join(lecture[0]["source"]) if lecture else ""),
                sum(map(int, re.findall(r"Difficulty.*?(\d+) minutes", words))),
            )
        )
    return found


def page(root: Path) -> str:
    """The start page, in Markdown."""
    units, best = entries(root), study.read()
    lines = [
        "# Deep generative models",
        "",
        "For each unit: read the lecture, run its cells, try things. Then open the exercise, replace "
        "each `raise NotImplementedError(...)` by your code, and run the `check(...)` cell below it.",
        "",
        *_next(units, best),
        "| unit | what it is about | lecture | exercise | your points |",
        "|:--|:--|:--|:--|:--|",
    ]
    for n in units:
        lecture = _link("read", _lecture(n), n.reading) if n.reading else "–"
        exercise = _link("solve", _exercise(n), n.writing) if n.points else "–"
        lines.append(f"| {n.title} | {n.about} | {lecture} | {exercise} | {_score(n, best)} |")
    lines += [
        "",
        "The points are the best of your own checks when the course was opened; "
        "`import dgm_lib; dgm_lib.progress()` in any notebook shows them as they are now. "
        "They are kept on this machine only, and your grade comes from the same checks on fresh inputs.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Write the start page and become JupyterLab."""
    root = Path.cwd()
    if not entries(root):
        sys.exit(
            "There are no units here: start in the folder that holds lectures/ and exercises/."
        )
    command = [sys.executable, "-P", "-m", "jupyterlab"]  # whatever lies here is not imported
    try:
        (root / PAGE).write_text(page(root))
        command.append(f"--LabApp.default_url=/lab/tree/{PAGE}")
        settings = root / "build" / "jupyter"
        (settings / "labconfig").mkdir(parents=True, exist_ok=True)
        for name, content in _SETTINGS.items():
            (settings / "labconfig" / f"{name}.json").write_text(json.dumps(content, indent=1))
        others = os.environ.get("JUPYTER_CONFIG_PATH", "")
        os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [others, str(settings)]))
    except OSError as error:
        print(f"Without a start page, which could not be written: {error}", file=sys.stderr)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container, where else
        command.append("--allow-root")
    os.execv(command[0], [*command, *arguments])


def _cells(path: Path | None) -> list[dict]:
    return json.loads(path.read_text())["cells"] if path else []


def _described(readme: str) -> dict[str, tuple[str, str]]:
    """By unit, its title and what it is about, from the table in README.md."""
    row = r"(?m)^\| *([^|]+?) *\| *([^|]+?) *\|[^|]*\(lectures/(\w+)\.ipynb\)"
    return {unit: (title, about) for title, about, unit in re.findall(row, readme)}


def _reading(words: str) -> int:
    """The minutes that a lecture's first cell says it takes."""
    if minutes := re.search(r"(\d+) minutes", words):
        return int(minutes[1])
    if re.search(r"an hour and a half", words):
        return 90
    return 60


def _next(units: list[Entry], best: dict[str, dict[str, float]]) -> list[str]:
    """Where to go on: what was begun, or else the first that was not."""
    todo = [n for n in units if n.points and _earned(n, best) < sum(n.points.values())]
    todo.sort(key=lambda n: not _earned(n, best))
    if not todo:
        return []
    n, mine = todo[0], best.get(todo[0].unit, {})
    if not mine:
        return [f"**Begin with** [{n.title}]({_lecture(n) if n.reading else _exercise(n)}).", ""]
    function = next(f for f, points in n.points.items() if mine.get(f, 0) < points)
    return [f"**Go on with** `{function}` in [{n.title}]({_exercise(n)}).", ""]


def _earned(n: Entry, best: dict[str, dict[str, float]]) -> float:
    mine = best.get(n.unit, {})
    return sum(min(mine.get(name, 0), points) for name, points in n.points.items())


def _score(n: Entry, best: dict[str, dict[str, float]]) -> str:
    if not n.points:
        return "–"
    earned, points = _earned(n, best), sum(n.points.values())
    return f"{earned:g}&nbsp;of&nbsp;{points:g}{'&nbsp;✓' if earned == points else ''}"


def _link(word: str, place: str, minutes: int) -> str:
    return f"[{word}]({place})&nbsp;·&nbsp;{minutes}&nbsp;min"


def _lecture(n: Entry) -> str:
    return f"lectures/{n.unit}.ipynb"


def _exercise(n: Entry) -> str:
    return f"exercises/{n.unit}/{n.unit}.ipynb"


if __name__ == "__main__":
    main(sys.argv[1:])
