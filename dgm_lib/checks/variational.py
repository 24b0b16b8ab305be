"""The checks of unit 08_variational."""

from dgm_lib.checks.core import Unit

unit = Unit("08_variational")
check = unit.check
