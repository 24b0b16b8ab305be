"""How far you are: the best points of each function that you checked in a notebook.

A small JSON file on this machine, `~/.local/share/dgm/progress.json`, or what `DGM_PROGRESS` says
(empty: keep none). It is for you alone: delete it whenever you like. Grading knows nothing of it.
"""

import json
import math
import os
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:middle"
_NOTE = "The best points of your checks on this machine. Your grade comes from fresh inputs."


@dataclass(frozen=True)
class Line:
    """One unit: points so far, points in all, and the first function that lacks some."""

    unit: str
    earned: float
    points: float
    next: str


@dataclass(frozen=True)
class Progress:
    """All units; a table in a notebook, text in a terminal."""

    lines: list[Line]

    def __str__(self) -> str:
        width = max((len(line.unit) for line in self.lines), default=4)
        rows = [f"{'unit':<{width}}  {'points':>8}  next"]
        rows += [f"{n.unit:<{width}}  {_score(n):>8}  {n.next or '✓'}" for n in self.lines]
        return "\n".join([*rows, _NOTE])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th scope='col' style='{_CELL}'>{name}</th>"
            for name in ("unit", "points", "", "next")
        )
        rows = "".join(
            f"<tr><th scope='row' style='{_CELL};font-weight:normal'>{escape(n.unit)}</th>"
            f"<td style='{_CELL};white-space:nowrap'>{_score(n)}</td>"
            f"<td style='{_CELL}'><progress aria-label='{escape(n.unit)}' value='{n.earned:g}' "
            f"max='{n.points:g}' style='accent-color:var(--jp-success-color1,#388e3c)'></progress></td>"
            f"<td style='{_CELL}'>{f'<code>{escape(n.next)}</code>' if n.next else '✓ complete'}</td></tr>"
            for n in self.lines
        )
        return (
            "<table style='margin:0'><caption style='text-align:left;padding-bottom:4px'>"
            f"<strong>Your progress</strong><br>{_NOTE}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def progress() -> Progress:
    """Your points so far, unit by unit, from the checks that you ran in notebooks."""
    from dgm_lib import checks

    best, lines = read(), []
    for name in checks.UNITS:
        unit = checks.load(name)
        mine = best.get(name, {})
        earned = {f: min(mine.get(f, 0.0), check.points) for f, check in unit.checks.items()}
        todo = (f for f, check in unit.checks.items() if earned[f] < check.points)
        lines.append(Line(name, sum(earned.values()), unit.points, next(todo, "")))
    return Progress(lines)


def path() -> Path | None:
    """Where the points are kept; None if they are not to be kept."""
    if (place := os.environ.get("DGM_PROGRESS")) is not None:
        return Path(place) if place else None
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "dgm" / "progress.json"


def read() -> dict[str, dict[str, float]]:
    """The best points, by unit and function; what is missing or unreadable counts as none."""
    try:
        kept = json.loads(place.read_text()) if (place := path()) else {}
    except (OSError, ValueError, RuntimeError):  # the last: no home, or brackets without end
        kept = {}
    units = kept.items() if isinstance(kept, dict) else ()
    return {
        unit: {name: float(n) for name, n in mine.items() if _is_points(n)}
        for unit, mine in units
        if isinstance(mine, dict)
    }


def record(unit: str, function: str, earned: float) -> None:
    """Keep these points if they are the best so far; if that cannot be, do nothing.

    The file is replaced as a whole, so nobody ever reads half of it.
    """
    best = read()
    if earned <= best.get(unit, {}).get(function, 0):
        return
    best.setdefault(unit, {})[function] = float(earned)
    try:
        if (place := path()) is None:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".progress-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(best, file, indent=1)
            os.replace(name, place)
        except OSError:
            os.unlink(name)
    except (OSError, RuntimeError):  # a full disk, a read-only home, no home at all
        return


def _is_points(n: object) -> bool:
    return type(n) in (int, float) and math.isfinite(n) and n > 0


def _score(line: Line) -> str:
    return f"{line.earned:g} / {line.points:g}"
