"""The checks of unit 04_boltzmann."""

from dgm_lib.checks.core import Unit

unit = Unit("04_boltzmann")
check = unit.check
