"""In the child there is no answer to be found: not in files, not in memory."""

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dgm_lib.checks import UNITS
from grading.seal import seal

REAL = {unit: module for unit, module in UNITS.items() if module.startswith("dgm_lib.")}


@pytest.mark.parametrize("unit", REAL)
def test_no_body_of_a_reference_and_no_misconception_is_in_the_copy(unit, tmp_path):
    seal(REAL[unit], tmp_path)
    copy = [ast.unparse(ast.parse(path.read_text())) for path in tmp_path.rglob("*.py")]
    checks = importlib.import_module(REAL[unit]).unit.checks.values()
    for check in checks:
        answers = [check.reference, *(m.function for m in check.misconceptions)]
        for answer in {*answers, *(p.test for p in check.properties)}:
            if (body := body_of(answer)) is not None:
                assert not any(body in text for text in copy), (check.name, body)


def body_of(function) -> str | None:
    """The statements of a function as they stand in a module; None for a bare return of a name."""
    source = inspect.getsource(inspect.unwrap(function))
    node = ast.parse(textwrap.dedent(source)).body[0]
    if not isinstance(node, ast.FunctionDef):
        return None
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    text = "\n".join("    " + line for line in ast.unparse(body).splitlines())
    return text if len(text) > 60 else None


@pytest.mark.parametrize("unit", REAL)
def test_the_copy_imports_and_says_what_is_sealed(unit, tmp_path):
    seal(REAL[unit], tmp_path)
    checks = importlib.import_module(REAL[unit]).unit.checks.values()
    places = sorted({(inspect.unwrap(c.reference).__module__, c.name) for c in checks})
    program = (
        f"import importlib, inspect, dgm_lib, {REAL[unit]} as checks\n"
        f"assert dgm_lib.__file__.startswith({str(tmp_path)!r})\n"
        "for name in dgm_lib.__all__:\n    getattr(dgm_lib, name)\n"
        "assert callable(checks.check)\n"
        f"for module, name in {places!r}:\n"
        "    function = getattr(importlib.import_module(module), name)\n"
        "    wanted = len(inspect.signature(function).parameters)\n"
        "    try:\n        function(*[None] * wanted)\n"
        "    except RuntimeError as error:\n"
        "        assert 'sealed while yours is graded' in str(error), error\n"
        "    else:\n        raise AssertionError(name)\n"
    )
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_sealed_body_is_gone_and_its_docstring_stays(tmp_path):
    seal("dgm_lib.checks.boltzmann", tmp_path)
    text = Path(tmp_path, "dgm_lib/energy/boltzmann.py").read_text()
    tree = ast.parse(text)
    (energy,) = [n for n in tree.body if getattr(n, "name", "") == "energy"]
    assert ast.get_docstring(energy)
    assert len(energy.body) == 2
    assert isinstance(energy.body[1], ast.Raise)


def test_only_the_unit_s_own_checks_are_in_the_copy(tmp_path):
    seal("dgm_lib.checks.boltzmann", tmp_path)
    units = {module.rpartition(".")[2] for module in REAL.values()}
    found = {path.stem for path in Path(tmp_path, "dgm_lib/checks").glob("*.py")}
    assert found & units == {"boltzmann"}
    assert not list(tmp_path.rglob("*.ipynb"))
    assert not Path(tmp_path, "grading/verdict.py").exists()
