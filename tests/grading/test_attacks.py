"""No submission gets a mark it does not deserve, sees a secret, or leaves anything behind.

Each test grades one file of `attacks/` as an instructor would: through the driver, into the
gradebook, with feedback.
"""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from dgm_lib import checks
from grading import zygote
from grading.verdict import Job, grade
from tests.grading.arena import LIMITS, Arena, commands, left_running
from tests.grading.attacks import ATTACKS, Attack


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    root, home = tmp_path_factory.mktemp("arena"), tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        zygote.close_shared()  # the next one is started among the canaries
        arena = Arena(root, home)
        yield arena
        arena.close()
        zygote.close_shared()


def test_there_are_enough_attacks_and_each_says_what_it_tries():
    assert len(ATTACKS) >= 45
    for attack in ATTACKS:
        assert attack.says, attack
        assert attack.deserves is not None, attack


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(arena: Arena, attack: Attack):
    arena.warm(attack.unit)
    before, started = commands(), time.monotonic()
    verdict, texts = arena.grade(attack)
    seconds, harm = time.monotonic() - started, arena.harm()

    full = {name: check.points for name, check in checks.load(attack.unit).checks.items()}
    earned = {name: report.earned for name, report in verdict.reports.items()}
    assert earned == full | attack.deserves, texts["report"]
    assert arena.points_in_gradebook(attack) == earned
    assert seconds < LIMITS.total_seconds

    for place, canary in arena.canaries.items():
        leaks = [name for name, text in texts.items() if canary in text]
        assert not leaks, f"the canary of {place} is in {leaks}"
    for text in attack.never:
        seen = [name for name in texts if name.endswith(".html") and text in texts[name]]
        assert not seen, f"{text} is in {seen}"
    assert not any(len(text) > 4 << 20 for text in texts.values())
    assert harm == []
    assert not left_running(before)


SPY = "import warnings\ndef double(x):\n    warnings.warn(repr(x.tolist()))\n    return None"
KNOWS = "def double(x):\n    return 2 * x if x.tolist() in {seen} else None"


def test_what_one_submission_saw_helps_no_other(job: Callable[..., Job]):
    """It may show its secret inputs to its author, in the feedback; the next gets other inputs."""
    notes = grade(job(double=SPY)).reports["double"].notes
    seen = [json.loads(note.removeprefix("UserWarning: ")) for note in notes]
    assert len(seen) == 3
    assert grade(job(double=KNOWS.format(seen=seen))).reports["double"].earned == 0
