"""The grading job: bytes in, points and feedback out, and nothing else touched.

`grade` is a pure function of its `Job`, so any executor may run it anywhere.
"""

import hashlib
import importlib
import json
import time
from dataclasses import asdict, dataclass, field

import torch

from dgm_lib.checks.core import Check, Unit
from dgm_lib.checks.report import Outcome, Report
from grading import zygote
from grading.caller import Cell, RemoteCaller, Session
from grading.limits import Limits
from grading.submission import Submission, read


@dataclass(frozen=True)
class Job:
    """All that a verdict depends on."""

    unit: str
    checks: str
    """The module that holds the unit's checks."""
    release: bytes
    submission: bytes | None
    """The file handed in; None if there is none."""
    seed: str
    limits: Limits = field(default_factory=Limits)


@dataclass
class Verdict:
    """What one submission deserves, and why."""

    unit: str
    reports: dict[str, Report]
    outputs: dict[str, list[dict]]
    """The outputs of the student's own cells, by cell id."""
    word: str = ""
    """Why nothing could be graded, in a word or two; empty if it could be."""
    reason: str = ""
    seed: str = ""
    seconds: float = 0.0
    """Wall time of the job."""

    @property
    def earned(self) -> float:
        return sum(r.earned for r in self.reports.values())

    @property
    def points(self) -> float:
        return sum(r.points for r in self.reports.values())

    def word_of(self, function: str) -> str:
        """The feedback on one function in a word or two."""
        return self.word or self.reports[function].word

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        data = json.loads(text)
        reports = {name: Report.from_dict(r) for name, r in data["reports"].items()}
        return cls(**{**data, "reports": reports})


def grade(job: Job) -> Verdict:
    """Grade one submission: run its cells in a child, and its functions through the checks."""
    started = time.monotonic()
    unit: Unit = importlib.import_module(job.checks).unit
    submission = read(job.submission, job.release)
    if submission.word:
        reports = {name: _zero(c, submission.reason) for name, c in unit.checks.items()}
        verdict = Verdict(job.unit, reports, {}, submission.word, submission.reason)
    else:
        verdict = _run(job, unit, submission)
    verdict.seed = job.seed
    verdict.seconds = round(time.monotonic() - started, 3)
    return verdict


def warm() -> None:
    """Make this process ready to grade: a single thread for the checks, and a zygote."""
    torch.set_num_threads(1)
    zygote.shared()


def _run(job: Job, unit: Unit, submission: Submission) -> Verdict:
    cells = submission.cells
    by_key = {cell.key: cell for cell in cells}
    start = int.from_bytes(hashlib.sha256(job.submission or b"").digest()[:7], "big")
    reports = {}
    with Session(cells, job.limits, start) as session:
        for name, check in unit.checks.items():
            cell = by_key.get(submission.cell_id(name) or "")
            reports[name] = check.run(RemoteCaller(session, name, cell), job.seed)
    return Verdict(job.unit, reports, {cell.key: _outputs(cell) for cell in cells})


def _zero(check: Check, reason: str) -> Report:
    outcomes = [Outcome(p.name, p.points, False, reason) for p in check.properties]
    return Report(check.name, outcomes, "error")


def _outputs(cell: Cell) -> list[dict]:
    """The cell's outputs, rebuilt from the parts that are what nbformat wants."""
    if cell.state in ("timeout", "died"):
        return [_error("Stopped" if cell.state == "timeout" else "Died", cell.message)]
    return [output for raw in cell.outputs if (output := _output(raw)) is not None]


def _output(raw: object) -> dict | None:
    if not isinstance(raw, dict):
        return None
    kind = raw.get("output_type")
    if kind == "stream":
        name = "stderr" if raw.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": str(raw.get("text", ""))}
    if kind == "error":
        lines = raw.get("traceback")
        return {
            "output_type": kind,
            "ename": str(raw.get("ename", "")),
            "evalue": str(raw.get("evalue", "")),
            "traceback": [str(line) for line in lines] if isinstance(lines, list) else [],
        }
    data = raw.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        return None
    kept = {
        mime: data[mime]
        for mime in ("text/plain", "text/latex", "image/png", "image/jpeg")
        if isinstance(data.get(mime), str)
    }
    output = {"output_type": kind, "data": kept, "metadata": {}}
    return {**output, "execution_count": None} if kind == "execute_result" else output


def _error(name: str, text: str) -> dict:
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
