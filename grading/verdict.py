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
from grading import hygiene
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
    sandbox: bool = True
    """Without it, the student's code runs with the rights of whoever grades."""
    notes: tuple[str, ...] = ()
    """What was said when the file was looked for; if there is none, why."""


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
    notes: list[str] = field(default_factory=list)
    """What was out of the ordinary in the submission, and what came of it."""
    sandboxed: bool = True

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
    submission = read(job.submission, job.release, job.notes)
    if submission.word:
        reports = {name: _zero(c, submission.reason) for name, c in unit.checks.items()}
        verdict = Verdict(job.unit, reports, {}, submission.word, submission.reason)
    else:
        verdict = _run(job, unit, submission)
    verdict.reports = {name: hygiene.report(found) for name, found in verdict.reports.items()}
    verdict.outputs = hygiene.outputs(verdict.outputs, job.limits.output_bytes)
    verdict.notes = submission.notes
    verdict.seed, verdict.sandboxed = job.seed, job.sandbox
    verdict.seconds = round(time.monotonic() - started, 3)
    return verdict


def warm() -> None:
    """Make this process ready to grade: a single thread for the checks."""
    torch.set_num_threads(1)


def _run(job: Job, unit: Unit, submission: Submission) -> Verdict:
    cells = submission.cells
    by_key = {cell.key: cell for cell in cells}
    start = int.from_bytes(hashlib.sha256(job.submission or b"").digest()[:7], "big")
    # inputs of its own: what one submission saw, and said in its feedback, helps no other
    seed = hashlib.sha256(job.seed.encode() + b"\0" + (job.submission or b"")).hexdigest()
    reports = {}
    with Session(cells, job.limits, start, job.checks, sandboxed=job.sandbox) as session:
        for name, check in unit.checks.items():
            cell = by_key.get(submission.cell_id(name) or "")
            reports[name] = check.run(RemoteCaller(session, name, cell), seed)
            if reports[name].state not in ("full", "not written"):
                session.stop()  # whatever it did in there, the next function does not meet it
    return Verdict(job.unit, reports, {cell.key: _outputs(cell) for cell in cells})


def _zero(check: Check, reason: str) -> Report:
    outcomes = [Outcome(p.name, p.points, False, reason) for p in check.properties]
    return Report(check.name, outcomes, "error")


def _outputs(cell: Cell) -> list[dict]:
    """What the student's process says the cell's outputs are, or how the cell was ended."""
    if cell.state in ("timeout", "died"):
        return [_error("Stopped" if cell.state == "timeout" else "Died", cell.message)]
    return cell.outputs


def _error(name: str, text: str) -> dict:
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
