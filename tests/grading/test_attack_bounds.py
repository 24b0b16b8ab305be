"""Every attack is bounded by itself: it harms nothing even where no sandbox holds it.

Each payload runs once in a throw-away process (`tests.grading.plain`); what it takes is measured,
and must stay below what it says. The files of `attacks/files` run nothing: they are only read.
"""

import json
import subprocess
import sys

import pytest

from grading.course import ROOT
from tests.grading.arena import Arena
from tests.grading.attacks import ATTACKS, Attack

CELLS = [attack for attack in ATTACKS if attack.is_cell]


ROOTS = ("/proc/self/root", "/proc/1/root")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What each payload took, by its name."""
    root, home = tmp_path_factory.mktemp("arena"), tmp_path_factory.mktemp("home")
    arena = Arena(root, home)
    target = {**arena.target, "parent": arena.sentinel.pid}  # the grader is not here
    jobs = []
    for attack in CELLS:
        folder = root / "cells" / attack.name
        folder.mkdir(parents=True)
        jobs.append(
            {
                "name": attack.name,
                "function": attack.cell,
                "source": attack.source(target),
                "folder": str(folder),
                "seconds": attack.bounds["seconds"],
                "heavy": attack.heavy,
            }
        )
    done = subprocess.run(
        [sys.executable, "-m", "tests.grading.plain"],
        input=json.dumps(jobs),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    arena.close()
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)}


@pytest.mark.parametrize("attack", CELLS, ids=str)
def test_an_attack_stays_within_its_bounds(used: dict[str, dict], attack: Attack):
    took = used[attack.name]
    assert took["status"] != 99  # it was tried
    assert {name: took[name] for name, most in attack.bounds.items() if took[name] > most} == {}


def test_payloads_name_no_place_of_their_own():
    """They aim at what `target` holds, at their own process, and at nothing else on the machine."""
    for attack in ATTACKS:
        text = attack.path.read_text()
        for known in ("http://127.0.0.1", "https://example.org", "http://www.w3.org", *ROOTS):
            text = text.replace(known, "")
        for place in (
            "/etc",
            "/root",
            "/home",
            "/var",
            "/sys",
            "/boot",
            "~/",
            "http://",
            "https://",
        ):
            assert place not in text, f"{attack} names {place}"
