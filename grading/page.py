"""The statistics of a unit as one HTML page: its own styles and drawings, nothing loaded, no script.

Each drawing is SVG with a text in its place for who cannot see it, the same numbers stand in a
table, and the colours tell states apart in light and dark, and with colour-blind eyes.
"""

import math
from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grading.insights import Question, Statistics

_STATES = {
    "full": ("#0072b2", "#fff"),
    "partial": ("#56b4e9", "#000"),
    "wrong": ("#d55e00", "#000"),
    "not written": ("#bdbdbd", "#000"),
    "error": ("#cc79a7", "#000"),
    "stopped": ("#f0e442", "#000"),
}
"""By state, the colour of its bar and of the number on it."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #5c5c63; --line: #d8d8de; --paper: #fff;
        --card: #f6f6f9; --bar: #0072b2 }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #a5a5b0; --line: #3a3a42;
        --paper: #17171a; --card: #202025; --bar: #56b4e9 } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper);
       color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
p { margin: .25rem 0 .75rem; max-width: 46rem } .soft { color: var(--soft) }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif }
svg text { fill: var(--ink) } svg .soft { fill: var(--soft) } svg .axis { stroke: var(--line) }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .85rem; padding: 0;
       list-style: none } .key span { display: inline-block; width: .8rem; height: .8rem;
       border-radius: 2px; margin-right: .4rem; vertical-align: -1px }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; width: 100% }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line);
         vertical-align: top } td.n, th.n { text-align: right; white-space: nowrap }
code { font-size: .92em } .slip { background: var(--card); border-radius: 8px;
       padding: .8rem 1rem; margin: .6rem 0 } .slip p { margin: .2rem 0 }
.slip b { font-size: 1.02em } .count { float: right; font-variant-numeric: tabular-nums }
"""


def html(found: "Statistics") -> str:
    """The page."""
    unit, count = escape(found.unit), len(found.totals)
    parts = [
        f"<h1>{unit}: how the class did</h1>",
        f'<p class="soft">{escape(" ".join(found.summary))}</p>',
    ]
    if found.questions:
        parts += [
            "<h2>Question by question</h2>",
            "<p>Of each question, how many notebooks got all its points, some, or none, and why.</p>",
            _key(),
            _bars(found.questions, count),
            "<h2>Points</h2>",
            _histogram(found),
            "<h2>Misconceptions</h2>",
            *_slips(found.questions, count),
            "<h2>Properties missed most often</h2>",
            "<p>Among those whose function ran.</p>",
            _missed(found.questions),
            "<h2>The numbers</h2>",
            _numbers(found.questions),
        ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{unit}: how the class did</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _key() -> str:
    items = (
        f'<li><span style="background:{colour}"></span>{state}</li>'
        for state, (colour, _) in _STATES.items()
    )
    return f'<ul class="key">{"".join(items)}</ul>'


def _bars(questions: "list[Question]", count: int) -> str:
    """A bar for each question, made of its states."""
    left, width, row, right = 230, 620, 34, 100
    drawn, said = [], []
    for i, q in enumerate(questions):
        x, y = float(left), i * row + 4
        drawn.append(
            f'<text x="{left - 12}" y="{y + 18}" text-anchor="end">{escape(q.function)}</text>'
        )
        for state, (colour, ink) in _STATES.items():
            n = q.states[state]
            wide = width * n / count
            if n:
                drawn.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{max(wide - 1.5, 1):.1f}" height="26" rx="2" '
                    f'fill="{colour}"><title>{escape(q.function)}: {n} {state}</title></rect>'
                )
            if wide > 9 * len(str(n)) + 6:
                drawn.append(
                    f'<text x="{x + wide / 2:.1f}" y="{y + 18}" text-anchor="middle" '
                    f'style="fill:{ink}">{n}</text>'
                )
            x += wide
        mean = f"{q.mean:.1f} / {q.points:g}"
        drawn.append(f'<text class="soft" x="{left + width + 12}" y="{y + 18}">{mean}</text>')
        states = ", ".join(f"{n} {state}" for state, n in q.states.items() if n)
        said.append(f"{q.function}: {states}, mean {mean} points")
    return _svg(left + width + right, len(questions) * row + 8, "; ".join(said) + ".", drawn)


def _histogram(found: "Statistics") -> str:
    """How many notebooks have how many points."""
    top = max(math.ceil(found.points), 1)
    step = max(math.ceil(top / 24), 1)
    bins = Counter(min(int(total), top) // step for total in found.totals)
    last, most = top // step, max(bins.values())
    left, bottom, height, wide = 40, 178, 150, 880 / (last + 1)
    drawn = [f'<line class="axis" x1="{left}" x2="930" y1="{bottom}" y2="{bottom}"/>']
    said = []
    for i in range(last + 1):
        n, x = bins[i], left + i * wide
        name = f"{i * step}" if step == 1 else f"{i * step}–{min(i * step + step - 1, top)}"
        if n:
            tall = height * n / most
            drawn.append(
                f'<rect x="{x + 2:.1f}" y="{bottom - tall:.1f}" width="{wide - 4:.1f}" '
                f'height="{tall:.1f}" rx="2" fill="var(--bar)"/>'
                f'<text x="{x + wide / 2:.1f}" y="{bottom - tall - 5:.1f}" '
                f'text-anchor="middle">{n}</text>'
            )
            said.append(f"{n} with {name}")
        if wide > 9 * len(name) or i % 3 == 0:
            drawn.append(
                f'<text class="soft" x="{x + wide / 2:.1f}" y="{bottom + 17}" '
                f'text-anchor="middle">{name}</text>'
            )
    drawn.append(
        f'<text class="soft" x="485" y="{bottom + 38}" text-anchor="middle">points in the unit</text>'
    )
    return _svg(950, bottom + 46, f"Notebooks by points: {', '.join(said)}.", drawn)


def _slips(questions: "list[Question]", count: int) -> Iterable[str]:
    slips = sorted(((q.function, s) for q in questions for s in q.slips), key=lambda p: -p[1].count)
    if not slips:
        yield "<p>None was recognised.</p>"
    for function, slip in slips:
        share = f"{slip.count} of {count}"
        example = f'<p class="soft">For example: {escape(slip.example)}</p>' if slip.example else ""
        yield (
            f'<div class="slip"><span class="count">{share}</span><b>{escape(slip.name)}</b> in '
            f"<code>{escape(function)}</code><p>{escape(slip.advice)}</p>{example}</div>"
        )


def _missed(questions: "list[Question]") -> str:
    rows = []
    for q in questions:
        ran = q.states["full"] + q.states["partial"] + q.states["wrong"]
        rows += [(n / ran, n, ran, q.function, name) for name, n in q.missed.items()]
    lines = (
        f'<tr><td class="n">{n} of {ran}</td><td><code>{escape(function)}</code></td>'
        f"<td>{escape(name)}</td></tr>"
        for _, n, ran, function, name in sorted(rows, key=lambda row: -row[0])[:12]
    )
    if not rows:
        return "<p>None was missed.</p>"
    head = '<tr><th class="n">missed by</th><th>question</th><th>property</th></tr>'
    return f'<div class="wide"><table>{head}{"".join(lines)}</table></div>'


def _numbers(questions: "list[Question]") -> str:
    head = "".join(f'<th class="n">{name}</th>' for name in ("mean", *_STATES, "discrimination"))
    lines = []
    for q in questions:
        power = "–" if q.discrimination is None else f"{q.discrimination:.2f}"
        cells = [f"{q.mean:.2f} / {q.points:g}", *(str(n) for n in q.states.values()), power]
        cells = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        lines.append(f"<tr><td><code>{escape(q.function)}</code></td>{cells}</tr>")
    table = (
        f'<div class="wide"><table><tr><th>question</th>{head}</tr>{"".join(lines)}</table></div>'
    )
    return table + (
        '<p class="soft">Discrimination is the correlation of the points in this question with the '
        "points in the others: near 1, those who did well elsewhere did well here; near or below 0, "
        "look at the question.</p>"
    )


def _svg(width: int, height: int, said: str, drawn: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said, quote=True)}">'
        f"{''.join(drawn)}</svg>"
    )
