"""What a check found: points per property, in words; as text, HTML or JSON.

In a notebook a `Report` shows itself as a table, and its plain form is the number of points, which
is how nbgrader reads partial credit. In a terminal its plain form is the text.
"""

from dataclasses import asdict, dataclass, field
from html import escape

_CELL = "padding:2px 8px;vertical-align:top;text-align:left"
_SUMMARY = "<summary style='display:list-item;cursor:pointer'>hint</summary>"
_CAPTION = "caption-side:top;text-align:left;padding:0 8px 4px 0;color:inherit"


@dataclass(frozen=True)
class Outcome:
    """One property: whether it held, and if not, what was expected and what came."""

    name: str
    points: float
    passed: bool
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """All properties of one function, and the misconception that the function looks like."""

    function: str
    outcomes: list[Outcome]
    state: str
    """"full", "partial", "wrong", "not written", "error", "timeout" or "died"."""
    misconception: str = ""
    advice: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(o.points for o in self.outcomes)

    @property
    def earned(self) -> float:
        return sum(o.points for o in self.outcomes if o.passed)

    @property
    def word(self) -> str:
        """The report in a word or two: the misconception's name, else the state."""
        return self.misconception or self.state

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> "Report":
        return cls(**{**data, "outcomes": [Outcome(**o) for o in data["outcomes"]]})

    @property
    def headline(self) -> str:
        return f"{self.function}: {self.earned:g} of {self.points:g} points"

    @property
    def lead(self) -> str:
        """The sentence above the table, if the report calls for one."""
        if self.state == "not written":
            return (
                f"Not written yet. Replace the `raise NotImplementedError` in `{self.function}` "
                "with your code, run that cell, then run this one again."
            )
        if self.misconception:
            return f"This looks like a known slip, “{self.misconception}”. {self.advice}"
        if self.state == "full":
            return "All properties hold."
        return ""

    def __str__(self) -> str:
        lines = [self.headline]
        if self.lead:
            lines.append(self.lead)
        if self.state != "not written":
            for o in self.outcomes:
                lines.append(f"  {'✓' if o.passed else '✗'} {o.name} [{o.points:g}]")
                if not o.passed:
                    lines += [f"      {o.message}"] if o.message else []
                    lines += [f"      hint: {o.hint}"] if o.hint else []
        lines += [f"  note: your function also wrote: {note}" for note in self.notes]
        return "\n".join(lines)

    __repr__ = __str__

    def html(self) -> str:
        """A table for the notebook; it takes its colours from the page, light or dark."""
        full = self.state == "full"
        lead = f"<p style='margin:4px 0'>{_code(self.lead)}</p>" if self.lead else ""
        title = f"<strong>{_mark(full)} {escape(self.headline)}</strong>{lead}"
        heads = "".join(
            f"<th scope='col' style='{_CELL}'>{name}</th>"
            for name in ("holds", "property", "points")
        )
        table = (  # its name is the first thing that a screen reader says
            f"<table style='margin:0;max-width:60em'><caption style='{_CAPTION}'>{title}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(map(_row, self.outcomes))}</tbody></table>"
        )
        notes = "".join(
            f"<p>Your function also wrote: <code>{escape(note)}</code></p>" for note in self.notes
        )
        colour = "--jp-success-color1,#388e3c" if full else "--jp-warn-color1,#d55e00"
        return (
            "<div class='tex2jax_ignore mathjax_ignore' "
            f"style='border-left:4px solid var({colour});padding-left:1em'>"
            f"{title if self.state == 'not written' else table}{notes}</div>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {
            "text/html": self.html(),
            "text/plain": f"{self.earned:g}" if in_kernel() else str(self),
        }


def _row(o: Outcome) -> str:
    message = f"<br>{_code(o.message)}" if o.message else ""
    hint = f"<details>{_SUMMARY}{_code(o.hint)}</details>" if o.hint else ""
    name = _code(o.name) if o.passed else f"<strong>{_code(o.name)}</strong>{message}{hint}"
    got = o.points if o.passed else 0
    return (
        f"<tr><td style='{_CELL};text-align:center'>{_mark(o.passed)}</td>"
        f"<th scope='row' style='{_CELL};font-weight:normal'>{name}</th>"
        f"<td style='{_CELL};white-space:nowrap'>{got:g} / {o.points:g}</td></tr>"
    )


def _mark(good: bool) -> str:
    """A mark that a screen reader reads as a word."""
    return f"<span role='img' aria-label='{'yes' if good else 'no'}'>{'✓' if good else '✗'}</span>"


def _code(text: str) -> str:
    """Escaped text, with `backticks` as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def in_kernel() -> bool:
    """Whether this runs in a notebook's kernel rather than in a terminal."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None
