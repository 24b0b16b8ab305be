"""The fixtures do what they promise: a shape is checked, and can be left unchecked."""

import jaxtyping
import pytest
import torch

from dgm_lib.data import eight_gaussians_log_prob


def test_shapes_are_checked_at_run_time():
    with pytest.raises(jaxtyping.TypeCheckError):
        eight_gaussians_log_prob(torch.zeros(3, 5))


@pytest.mark.usefixtures("unchecked")
def test_unchecked_leaves_the_library_to_its_own_errors():
    with pytest.raises(ValueError, match=r"x: got shape \(3, 5\); want \(n, 2\)"):
        eight_gaussians_log_prob(torch.zeros(3, 5))


def test_shapes_are_checked_again_afterwards():
    test_shapes_are_checked_at_run_time()
