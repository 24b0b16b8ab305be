"""The reference tests: one check per graded function, one module per unit, three users.

The same check runs in the library's tests (on `dgm_lib`'s own function), in a student's notebook
(on the student's function, with a public seed) and in the grader (through a channel to the
student's process, with a secret seed). So a check touches the student's work in one way only: it
calls it with data and looks at the data that come back.

    core     what a check is: named properties with points and hints, misconceptions, a unit
    call     how a function is called, and which results count as plain data
    expect   comparisons whose failure is a sentence
    inputs   random inputs from a seed
    report   what a check found, as text, HTML or JSON

A unit's notebook imports its `check` from the unit's module, say
`from dgm_lib.checks.boltzmann import check`.
"""

from dgm_lib.checks.core import Check, Misconception, Property, Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.checks.report import Report

UNITS = {
    "01_density": "dgm_lib.checks.density",
    "02_graphs": "dgm_lib.checks.graphs",
    "03_latent": "dgm_lib.checks.latent",
    "04_boltzmann": "dgm_lib.checks.boltzmann",
    "05_rbm": "dgm_lib.checks.rbm",
    "08_variational": "dgm_lib.checks.variational",
    "10_coupling_flows": "dgm_lib.checks.coupling_flows",
}
"""The module that holds each unit's checks, as `unit`."""


def load(unit: str) -> Unit:
    """The checks of the unit with this name.

    >>> load("04_boltzmann").name
    '04_boltzmann'
    """
    import importlib

    if unit not in UNITS:
        raise ValueError(f"unit: got {unit!r}; want one of {', '.join(UNITS)}")
    return importlib.import_module(UNITS[unit]).unit


__all__ = ["UNITS", "Check", "Draw", "Misconception", "Property", "Report", "Unit", "load"]
