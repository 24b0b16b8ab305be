"""Grading without a sandbox or a child, for tests of what lies around it: the driver, the cluster.

A submission's text says what becomes of the process that grades it, and where a log is kept.
"""

import hashlib
import importlib
import os
import re
import time
from pathlib import Path

from dgm_lib.checks.report import Outcome, Report
from grading.verdict import Job, Verdict


def digest(data: bytes | None) -> str:
    """A submission's mark in the log."""
    return hashlib.sha256(data or b"").hexdigest()


def grade(job: Job) -> Verdict:
    """A verdict made of the submission's bytes alone, and a line in a log."""
    text = (job.submission or b"").decode(errors="replace")
    root = re.search(r"ROOT=(\S+)", text)
    with open(f"{root[1]}/graded" if root else os.devnull, "a") as file:
        file.write(f"{digest(job.submission)} {os.getpid()}\n")
    if "POISON" in text:
        os._exit(7)
    if "STUMBLE" in text and not (stumbled := Path(root[1], "stumbled")).exists():
        stumbled.touch()
        os._exit(7)
    if "RAISES" in text:
        raise ValueError("a fault of the grader's own")
    if "SLOW" in text:
        time.sleep(0.3)
    if "FOREVER" in text:
        time.sleep(1000)
    reports = {}
    for name, check in importlib.import_module(job.checks).unit.checks.items():
        good = f"WRONG {name}" not in text
        outcomes = [
            Outcome(p.name, p.points, good or i > 0, "" if good or i > 0 else f"<b>not {name}</b>")
            for i, p in enumerate(check.properties)
        ]
        slip = check.misconceptions[0] if not good and check.misconceptions else None
        more = (slip.name, slip.advice) if slip else ()
        reports[name] = Report(name, outcomes, "full" if good else "partial", *more)
    outputs = {"double": [{"output_type": "stream", "name": "stdout", "text": "hello\n"}]}
    return Verdict(job.unit, reports, outputs, seed=job.seed, seconds=0.25, sandboxed=job.sandbox)
