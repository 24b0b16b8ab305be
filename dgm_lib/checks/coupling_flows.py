"""The checks of unit 10_coupling_flows."""

from dgm_lib.checks.core import Unit

unit = Unit("10_coupling_flows")
check = unit.check
