"""Whatever is handed in, the released notebook comes out, with the student's answers in it."""

import copy
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading.course import Course
from grading.submission import MISSING, Submission, find, is_solution, parse, read
from tests.grading.conftest import POINTS, RIGHT, UNIT, answers, hand_in

NAMES = list(POINTS)
RUN = ["setup", *NAMES]


def sources(submission: Submission) -> dict[str, str]:
    """What is run, by cell."""
    return {cell.key: cell.source for cell in submission.cells}


def is_the_release_s(submission: Submission, blank: bytes) -> bool:
    """Whether all but the solution cells' source is as released, and the notebook valid."""
    nbformat.validate(submission.nb)
    came, want = copy.deepcopy(submission.nb), parse(blank)
    for nb in (came, want):
        for cell in nb.cells:
            if is_solution(cell):
                assert isinstance(cell.source, str)
                cell["source"] = ""
    return came == want


@pytest.fixture
def damaged(blank: bytes) -> Callable[..., Submission]:
    """A right submission that was changed, as it is read."""

    def make(change: Callable[[dict], None]) -> Submission:
        nb = json.loads(answers())
        change(nb)
        submission = read(json.dumps(nb).encode(), blank)
        assert not submission.word
        assert is_the_release_s(submission, blank)
        return submission

    return make


def cell_of(nb: dict, name: str) -> dict:
    return next(c for c in nb["cells"] if c.get("id") == name)


def test_a_right_submission_is_taken_without_remarks(damaged, blank):
    submission = damaged(lambda nb: None)
    assert sources(submission) == {"setup": parse(blank).cells[0].source, **RIGHT}
    assert submission.notes == []
    assert read(blank, blank).notes == []


def test_a_class_s_real_releases_are_taken_without_remarks():
    for unit in Course().units():
        if not Course().release(unit).is_file():
            continue
        release = Course().release(unit).read_bytes()
        submission = read(release, release)
        assert (submission.word, submission.notes) == ("", [])
        assert submission.nb == parse(release)


def test_what_a_student_does_every_day_needs_no_remark(damaged):
    def work(nb):
        for number, cell in enumerate(nb["cells"]):
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
            cell["metadata"]["collapsed"] = True
        nb["cells"].append({"cell_type": "code", "source": [], "metadata": {}, "id": "empty"})
        nb["metadata"]["language_info"] = {"name": "python", "version": "3.99"}

    submission = damaged(work)
    assert submission.notes == []
    assert all(not cell.get("outputs") for cell in submission.nb.cells)


def move(nb):
    nb["cells"].reverse()


def retype(nb):
    cell_of(nb, "double")["cell_type"] = "markdown"


def flip(nb):
    cell_of(nb, "double")["metadata"]["nbgrader"] |= {"solution": False, "grade": True}
    cell_of(nb, "check_double")["metadata"]["nbgrader"] |= {"grade": False, "points": 1e9}


def edit(nb):
    cell_of(nb, "check_double")["source"] = "print('4 points, please')"
    cell_of(nb, "setup")["source"] = ["import os\n", "os._exit(0)"]


def skip(nb):
    cell_of(nb, "check_double")["metadata"]["tags"] = ["skip-execution"]
    cell_of(nb, "double")["metadata"]["tags"] = ["demo", "raises-exception"]


def decorate(nb):
    nb["metadata"] = {"kernelspec": {"name": "evil"}, "widgets": {"x": 1}, "dgm": {"files": ["*"]}}
    for cell in nb["cells"]:
        cell["attachments"] = {"x.svg": {"image/svg+xml": "<svg onload='1'/>"}}
        cell["metadata"]["magics_language"] = "html"


def rename_ids(nb):
    for number, cell in enumerate(nb["cells"]):
        cell["id"] = f"other-{number}"


def drop_ids(nb):
    nb["nbformat_minor"] = 4
    for cell in nb["cells"]:
        del cell["id"]


def swap_ids(nb):
    first, second = cell_of(nb, "double"), cell_of(nb, "check_double")
    first["id"], second["id"] = second["id"], first["id"]


def delete_tests(nb):
    nb["cells"] = [c for c in nb["cells"] if not c["id"].startswith("check_")]


def own_cells(nb):
    mine = {"cell_type": "code", "metadata": {}, "id": "mine", "source": "torch.allclose = print"}
    nb["cells"] += [mine, {**mine, "id": "mine-2", "source": "check = print"}]


def own_text(nb):
    nb["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "<script>1</script>"})


def junk(nb):
    nb["cells"] += [None, 3, "cell", ["x"]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (move, "The cells were in another order"),
        (
            retype,
            "These cells had become cells of another kind; they were graded as code: `double`",
        ),
        (flip, "2 cells were marked otherwise; the release's marks hold."),
        (edit, "2 given cells were edited; the release's text holds."),
        (skip, None),
        (decorate, None),
        (rename_ids, None),
        (swap_ids, None),
        (drop_ids, "The notebook is in another format"),
        (delete_tests, "3 given cells were deleted; the release's are used."),
        (
            own_cells,
            "2 cells of your own were not run: only the cells marked as yours are graded; put "
            "helper functions into them.",
        ),
        (own_text, "1 text cell of your own is not shown here."),
        (junk, "4 cells could not be read at all."),
        (lambda nb: nb.update(nbformat=99), "The notebook is in another format"),
    ],
)
def test_what_else_was_changed_counts_for_nothing(damaged, change, says):
    submission = damaged(change)
    assert {name: sources(submission)[name] for name in NAMES} == RIGHT
    assert list(sources(submission)) == RUN
    assert "os._exit" not in str(submission.nb)
    if says is None:
        assert submission.notes == []
    else:
        assert [note for note in submission.notes if note.startswith(says)] != []


def test_a_missing_answer_is_missing_alone(damaged):
    def lose(nb):
        nb["cells"].remove(cell_of(nb, "double"))

    submission = damaged(lose)
    assert sources(submission)["double"] == MISSING
    assert sources(submission)["apply"] == RIGHT["apply"]
    assert submission.notes == [
        "These cells were missing; their functions are not defined: `double`."
    ]


def test_of_two_answers_the_last_counts(damaged):
    def double(nb):
        nb["cells"].append({**copy.deepcopy(cell_of(nb, "double")), "source": "late"})

    submission = damaged(double)
    assert sources(submission)["double"] == "late"
    assert "more than once; the last one counts: `double`." in submission.notes[0]


@pytest.mark.parametrize("source", [3, None, {"a": 1}, ["a", 3], [["a"]], True])
def test_an_answer_that_is_no_text_is_no_answer(damaged, source):
    submission = damaged(lambda nb: cell_of(nb, "double").update(source=source))
    assert sources(submission)["double"] == "# This cell could not be read."
    assert submission.notes == ["These cells held something else than text: `double`."]


def test_an_endless_answer_is_not_run(damaged):
    submission = damaged(lambda nb: cell_of(nb, "double").update(source="x" * 100_001))
    assert sources(submission)["double"] == "# This cell was too long."
    assert "too long" in submission.notes[0]


def test_what_is_run_is_what_is_seen(damaged):
    trojan = "def double(x):\r\n    '''\u202e''' and 0\n    return 2 * x  # \x1b[2J\ud800"
    submission = damaged(lambda nb: cell_of(nb, "double").update(source=trojan))
    seen = "def double(x):\n    '''�''' and 0\n    return 2 * x  # �[2J�"
    assert sources(submission)["double"] == seen
    assert "cannot be seen" in submission.notes[0]


def test_an_old_format_is_read(blank):
    nb = json.loads(answers())
    for cell in nb["cells"]:
        cell["input"] = cell.pop("source")
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}
    old["worksheets"] = [{"cells": nb["cells"][:3]}, {"cells": nb["cells"][3:]}, None]
    submission = read(json.dumps(old).encode(), blank)
    assert {name: sources(submission)[name] for name in NAMES} == RIGHT
    assert submission.notes == [
        "The notebook is in an old format; please save it with a newer Jupyter."
    ]


def test_of_two_keys_the_last_counts(blank):
    data = answers().replace(b'"id": "double",', b'"id": "double", "source": ["import os"],')
    submission = read(data, blank)
    assert sources(submission)["double"] == RIGHT["double"]
    assert submission.notes == ["The file names some things twice; the last of each counts."]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it stops making sense in line 1, column 1"),
        (b"{", "it stops making sense in line 1, column 2"),
        (b"\xff\xfe\0", "byte 0 is not UTF-8 text"),
        (b"[]", "it has no cells"),
        (b"null", "it has no cells"),
        (b'{"cells": 3}', "it has no cells"),
        (b'{"nbformat": 99}', "it has no cells"),
        (b'{"cells": {"0": {}}}', "it has no cells"),
        (b"[" * 1_000_000, "it is nested too deeply"),
        (b'{"a":' * 1_000_000, "it is nested too deeply"),
        (b"[]," * 2_000_001, "it has too many parts"),
        (b'{"cells": [], "nbformat": 1' + b"0" * 5000 + b"}", "one of its numbers is too long"),
        (answers()[:900], "it stops making sense"),
    ],
)
def test_a_corrupt_file_has_a_reason(blank, data, says):
    submission = read(data, blank)
    assert submission.word == "corrupt file"
    assert submission.reason.startswith(f"the file is not a readable notebook: {says}")
    assert is_the_release_s(submission, blank)


def test_a_huge_file_has_a_reason(blank):
    submission = read(b" " * ((20 << 20) + 1), blank)
    assert (submission.word, submission.reason[:29]) == (
        "too large",
        "the file has more than 20 MB;",
    )


def test_no_file_has_a_reason(blank):
    assert read(None, blank).word == "no notebook"
    assert read(None, blank, ["the dog ate it"]).reason == "the dog ate it"


def test_remarks_are_few(blank):
    assert len(read(answers(), blank, ["a note"] * 1000).notes) == 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    """The way to every part of some JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items if isinstance(value, dict | list) else ():
        found.append((*path, key))
        found += places(inner, (*path, key)) if isinstance(inner, dict | list) else []
    return found


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_random_damage_never_raises_and_leaves_the_release(blank, data):
    nb = json.loads(answers())
    for _ in range(data.draw(st.integers(1, 4))):
        paths = places(nb)
        if not paths:
            break
        *way, last = data.draw(st.sampled_from(paths))
        part = nb
        for key in way:
            part = part[key]
        match data.draw(st.sampled_from(["replace", "delete", "double"])):
            case "replace":
                part[last] = data.draw(JSON)
            case "delete":
                del part[last]
            case "double" if isinstance(part, list):
                part.insert(data.draw(st.integers(0, len(part))), copy.deepcopy(part[last]))
    submission = read(json.dumps(nb).encode("utf-8", "surrogatepass"), blank)
    assert is_the_release_s(submission, blank)
    if not submission.word:
        assert list(sources(submission)) == RUN
        assert sources(submission)["setup"] == parse(blank).cells[0].source


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.integers(0, 5000), rubbish=st.binary(max_size=6), gone=st.integers(0, 50))
def test_random_bytes_never_raise(blank, place, rubbish, gone):
    data = answers()
    data = data[:place] + rubbish + data[place + gone :]
    submission = read(data, blank)
    assert is_the_release_s(submission, blank)
    assert submission.word in ("", "corrupt file")


# what lies in a student's folder


@pytest.fixture
def folder(course: Course) -> Path:
    hand_in(course, "ada", answers())
    return course.submitted(UNIT, "ada")


def test_the_notebook_is_found(folder):
    assert find(folder, UNIT) == (answers(), [])
    (folder / "timestamp.txt").write_text("2030-01-01 00:00:00 UTC")  # nbgrader's own
    assert find(folder, UNIT) == (answers(), [])


def test_other_files_are_not_looked_at(folder):
    for name in ("torch.py", "sitecustomize.py", "another.ipynb", "data.csv"):
        (folder / name).write_text("raise SystemExit")
    os.symlink("/etc/passwd", folder / "passwd")
    os.mkfifo(folder / "pipe")
    data, notes = find(folder, UNIT)
    assert data == answers()
    assert notes == ["Other files in the folder (6) were not looked at."]


def test_a_single_notebook_may_have_another_name(folder):
    (folder / f"{UNIT}.ipynb").rename(folder / "my `best` <b>work\x1b[31m.ipynb")
    data, (note,) = find(folder, UNIT)
    assert data == answers()
    assert note == (
        "The notebook was handed in as `my 'best' <b>work.ipynb`; "
        f"please call it `{UNIT}.ipynb` the next time."
    )


def test_a_name_may_be_no_text(folder):
    os.rename(folder / f"{UNIT}.ipynb", os.fsencode(folder) + b"/\xff\n.ipynb")
    data, (note,) = find(folder, UNIT)
    assert data == answers()
    assert note.startswith("The notebook was handed in as `� .ipynb`")


def test_of_two_other_names_none_is_taken(folder):
    (folder / f"{UNIT}.ipynb").rename(folder / "a.ipynb")
    (folder / "b.ipynb").write_bytes(answers())
    assert find(folder, UNIT) == (
        None,
        [f"2 notebooks were handed in, none of them as `{UNIT}.ipynb`"],
    )


def test_an_empty_folder_has_no_notebook(folder):
    (folder / f"{UNIT}.ipynb").unlink()
    assert find(folder, UNIT) == (None, [f"no notebook was handed in; want `{UNIT}.ipynb`"])
    folder.rmdir()
    assert find(folder, UNIT)[1] == [
        "the folder cannot be read, or is a link, which is not followed"
    ]


def link(path: Path) -> None:
    other = path.with_name("elsewhere")
    other.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(other)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def hard(path: Path) -> None:
    os.link(path, path.parent.parent / "second")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def nest(path: Path) -> None:
    path.unlink()
    path.mkdir()


def unix(path: Path) -> None:
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY)  # an address is short, a path is long
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (link, "is a link, which is not followed"),
        (dangle, "is a link, which is not followed"),
        (hard, "has a second name elsewhere"),
        (pipe, "is not a file but a folder, a device or a pipe"),
        (nest, "is not a file but a folder, a device or a pipe"),
        (unix, "is not a file but a folder, a device or a pipe"),
    ],
)
def test_only_a_plain_file_is_read(folder, change, says):
    change(folder / f"{UNIT}.ipynb")
    data, (reason,) = find(folder, UNIT)
    assert data is None
    assert reason.startswith(f"the notebook {says}")


@pytest.mark.parametrize("which", [lambda unit: unit, lambda unit: unit.parent])
def test_a_linked_folder_is_not_followed(folder, which):
    path = which(folder)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    data, (reason,) = find(folder, UNIT)
    assert data is None
    assert "is a link, which is not followed" in reason


def test_a_huge_file_is_not_read_to_its_end(folder, blank):
    with open(folder / f"{UNIT}.ipynb", "wb") as file:
        file.truncate(50 << 30)  # sparse: it takes no room
    data, notes = find(folder, UNIT)
    assert len(data) == (20 << 20) + 1
    assert read(data, blank, notes).word == "too large"


def test_a_folder_with_very_many_files_is_not_read_to_its_end(folder):
    for number in range(1500):
        (folder / f"{number}.txt").touch()
    data, (note,) = find(folder, UNIT)
    assert data == answers()
    assert "(1000 or more)" in note or "(999 or more)" in note
