"""Progress is kept best of all, told in words and as a table, and never in the way."""

import json
import os
import threading

import pytest

import dgm_lib
from dgm_lib import lab, study
from dgm_lib.checks import boltzmann
from dgm_lib.energy import boltzmann as reference


@pytest.fixture
def place(tmp_path, monkeypatch):
    file = tmp_path / "deep" / "points.json"
    monkeypatch.setenv("DGM_PROGRESS", str(file))
    return file


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.setattr("dgm_lib.checks.core.in_kernel", lambda: True)


def test_tests_keep_none():
    assert study.path() is None


def test_the_best_points_are_kept(place):
    for earned in (1, 3, 2.5, 0):
        study.record("04_boltzmann", "energy", earned)
    study.record("04_boltzmann", "gibbs_step", 0)
    assert study.read() == {"04_boltzmann": {"energy": 3.0}}
    assert [path.name for path in place.parent.iterdir()] == [place.name], "nothing is left over"


def test_a_check_in_a_notebook_is_remembered_and_no_other(place, monkeypatch):
    boltzmann.check(reference.energy)
    boltzmann.unit.checks["energy"].run(reference.energy)
    assert not place.exists()
    monkeypatch.setattr("dgm_lib.checks.core.in_kernel", lambda: True)
    boltzmann.check(reference.energy)
    assert study.read() == {"04_boltzmann": {"energy": 3.0}}


def test_progress_of_each_unit(place):
    study.record("04_boltzmann", "energy", 3)
    study.record("04_boltzmann", "log_partition", 99)  # the unit was changed since
    study.record("04_boltzmann", "of_another_time", 5)
    lines = {line.unit: line for line in dgm_lib.progress().lines}
    mine = lines["04_boltzmann"]
    assert (mine.earned, mine.points, mine.next) == (6, 20, "conditional")
    assert lines["01_density"].earned == 0
    text, html = str(dgm_lib.progress()), dgm_lib.progress()._repr_html_()
    assert "04_boltzmann 6 / 20 conditional" in " ".join(text.split())
    assert "<caption" in html
    assert "scope='row'" in html


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff", b"null", b'{"04_boltzmann": 3}', b"[" * 100_000]
    + [b'{"04_boltzmann": {"energy": %s}}' % n for n in (b"NaN", b'"3"', b"true", b"null", b"-1")],
)
def test_a_damaged_file_counts_as_none_and_is_mended(place, notebook, content):
    place.parent.mkdir()
    place.write_bytes(content)
    assert dgm_lib.progress().lines[0].earned == 0
    assert boltzmann.check(reference.energy).earned == 3
    assert json.loads(place.read_text())["04_boltzmann"]["energy"] == 3.0


def test_a_file_that_cannot_be_written_is_no_reason_to_fail(place, notebook, monkeypatch):
    place.mkdir(parents=True)  # a folder in its place
    assert boltzmann.check(reference.energy).earned == 3
    assert list(place.parent.iterdir()) == [place], "nothing is left over"
    monkeypatch.setenv("DGM_PROGRESS", "/dev/null/points.json")
    assert boltzmann.check(reference.energy).earned == 3
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    monkeypatch.setenv("DGM_PROGRESS", str(place.parent / "other.json"))
    assert boltzmann.check(reference.energy).earned == 3
    assert not (place.parent / "other.json").exists()


def test_nobody_reads_half_a_file(place):
    study.record("u", "f0", 1)
    stop, faults = threading.Event(), []

    def look():
        while not stop.is_set():
            try:
                json.loads(place.read_text())
            except ValueError as error:
                faults.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for i in range(200):
        study.record("u", f"f{i}", 2)
    stop.set()
    reader.join()
    assert faults == []
    assert len(study.read()["u"]) == 200


def test_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.setenv("DGM_PROGRESS", "")
    assert study.path() is None
    study.record("u", "f", 1)
    assert study.read() == {}
    monkeypatch.delenv("DGM_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert study.path() == tmp_path / "dgm" / "progress.json"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert study.path() == tmp_path / ".local" / "share" / "dgm" / "progress.json"


def test_the_start_page_says_where_to_go_on(place):
    from tests.course.notebooks import ROOT, UNITS

    found = lab.entries(ROOT)
    assert [n.unit for n in found] == UNITS
    assert f"**Begin with** [{found[0].title}](lectures/{UNITS[0]}.ipynb)" in lab.page(ROOT)
    study.record("04_boltzmann", "energy", 3)
    page = lab.page(ROOT)
    assert "**Go on with** `log_partition` in [04 Boltzmann machines]" in page
    assert "3&nbsp;of&nbsp;20 |" in page


def test_elsewhere_there_is_nothing_to_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="lectures/ and exercises/"):
        lab.main([])
    assert list(tmp_path.iterdir()) == []
