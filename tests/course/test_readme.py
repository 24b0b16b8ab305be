"""The README names every unit, and none of its links leads nowhere."""

import re

import pytest

from tests.course.notebooks import ROOT, UNITS

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("unit", UNITS)
def test_lists_the_unit(unit):
    assert f"lectures/{unit}.ipynb" in README
    assert f"exercises/{unit}/{unit}.ipynb" in README


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "grading" / "README.md"]:
        links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
        for link in links:
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_commands_are_targets_of_make():
    targets = set(re.findall(r"(?m)^(\w+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"make (\w+)(?= |`|$|\n)", README)) - {"alone"} <= targets
