"""The README names every unit; what the pages for people link to, name and quote is there."""

import re

import pytest

from tests.course.notebooks import ROOT, UNITS

README = (ROOT / "README.md").read_text()
PAGES = ["README.md", "CONTRIBUTING.md", "grading/README.md"]


@pytest.mark.parametrize("unit", UNITS)
def test_lists_the_unit(unit):
    assert f"lectures/{unit}.ipynb" in README
    assert f"exercises/{unit}/{unit}.ipynb" in README


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if not link.startswith("http"):
            assert (ROOT / page).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_targets_of_make(page):
    targets = set(re.findall(r"(?m)^(\w+):", (ROOT / "Makefile").read_text()))
    said = set(re.findall(r"make ([a-z]+)(?= [A-Z]+=| *──|`|$|\n| +#)", (ROOT / page).read_text()))
    assert said
    assert said <= targets


def test_contributing_names_what_there_is():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    picture, *examples = re.findall(r"(?s)```\w*\n(.*?)```", text)
    words = re.findall(r"`([^`\s]+)`", text) + picture.split()
    paths = {word for word in words if re.fullmatch(r"[\w.]+/[\w./]*", word)}
    assert {"dgm_lib/checks/name.py", "tests/course/test_checks.py", ".ci/run"} <= paths
    unit, package = UNITS[0], UNITS[0].split("_", 1)[1]
    for path in paths:
        assert (ROOT / path.replace("NN_name", unit).replace("name", package)).exists(), path
    skeleton = (ROOT / "tests/course/skeleton/checks.txt").read_text()
    assert len(examples) == 2
    for example in examples:
        assert example in skeleton, "not as in the skeleton, which is tested"
