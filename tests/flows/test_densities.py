"""Densities: they integrate to one, and agree with laws that are known in closed form."""

import math
import re

import pytest
import torch
from torch.distributions import MultivariateNormal

from dgm_lib import flows
from dgm_lib.flows import Flow, StandardLogistic, StandardNormal
from dgm_lib.model import HasLogProb, HasLoss, HasSample
from dgm_lib.nn import seeded


def stirred(flow, std=0.3, seed=0):
    """Away from the starting point, in double precision."""
    flow = flow.double()
    with seeded(seed):
        for parameter in flow.parameters():
            torch.nn.init.normal_(parameter, std=std)
    return flow


def integral(flow, low, high, steps, context=None):
    """The midpoint rule on a grid."""
    d = flow.shape[0]
    h = (high - low) / steps
    line = low + h * (torch.arange(steps, dtype=torch.float64) + 0.5)
    grid = torch.cartesian_prod(*[line] * d).reshape(-1, d)
    if context is not None:
        context = context.expand(len(grid), -1)
    return (flow.log_prob(grid, context).exp().sum() * h**d).item()


FLOWS = {
    "sinh-arcsinh": lambda: Flow(flows.SinhArcsinh(1), StandardNormal(1)),
    "affine 1-D, mirrored": lambda: Flow(flows.Affine(torch.tensor([[-2.0]])), StandardNormal(1)),
    "logistic": lambda: Flow(flows.Scale(1), StandardLogistic(1)),
    "cholesky": lambda: Flow(flows.Cholesky(2), StandardNormal(2)),
    "composition": lambda: Flow(
        [flows.SinhArcsinh(2), flows.Householder(2), flows.Cholesky(2)], StandardNormal(2)
    ),
    "nice": lambda: flows.nice(2, hidden=(8,), logistic=False),
    "real nvp": lambda: flows.real_nvp(2, 4, hidden=(8,)),
}


@pytest.mark.parametrize("name", FLOWS)
@torch.no_grad()
def test_density_integrates_to_one(name):
    flow = stirred(FLOWS[name]())
    assert integral(flow, -20, 20, 400) == pytest.approx(1, abs=2e-4)


def test_conditional_density_integrates_to_one_for_each_context():
    flow = stirred(flows.real_nvp(2, 3, hidden=(8,), context_dim=2))
    for context in torch.tensor([[0.0, 0.0], [1.0, -2.0]], dtype=torch.float64):
        assert integral(flow, -20, 20, 400, context) == pytest.approx(1, abs=2e-4)


def test_logit_density_integrates_to_one_on_the_unit_interval():
    """Mass outside (0, 1) is what the margin costs: two normal tails beyond ± logit(margin)."""
    flow = Flow(flows.Logit(0.05), StandardNormal(1)).double()
    lost = math.erfc(math.log(19) / math.sqrt(2))
    assert integral(flow, 0, 1, 20000) == pytest.approx(1 - lost, abs=1e-6)


def test_cholesky_is_the_multivariate_normal():
    flow = stirred(Flow(flows.Cholesky(3), StandardNormal(3)))
    cholesky = flow.bijection
    law = MultivariateNormal(cholesky.loc, scale_tril=cholesky.factor)
    x = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flow.log_prob(x), law.log_prob(x))
    assert torch.equal(cholesky.factor, cholesky.factor.tril())


def test_sinh_arcsinh_parameters_mean_what_they_say():
    bijection = flows.SinhArcsinh(1).double()
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    assert torch.allclose(bijection.inverse(z)[0], z)  # the identity at the start
    with torch.no_grad():
        bijection.skew.fill_(0.5)
    x = bijection.inverse(z)[0]
    assert (x + x.flip(0) > 0).all()  # skewed to the right: quantiles above their mirror images
    with torch.no_grad():
        bijection.skew.fill_(0)
        bijection.log_tail.fill_(math.log(0.5))
    x = bijection.inverse(z)[0]
    assert x[-1] > z[-1]  # δ < 1: heavier tails
    with torch.no_grad():
        bijection.loc.fill_(3)
        bijection.log_scale.fill_(math.log(2))
    torch.testing.assert_close(bijection.inverse(z)[0], 3 + 2 * x)


def test_bases_match_torch_distributions_in_value_and_moments():
    z = torch.linspace(-4, 4, 12).reshape(3, 2, 2)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum((1, 2))
    torch.testing.assert_close(StandardNormal(2, 2).log_prob(z), normal)
    uniform = torch.distributions.Uniform(0.0, 1.0)
    sigmoid = torch.distributions.SigmoidTransform()
    logistic = torch.distributions.TransformedDistribution(uniform, [sigmoid.inv])
    torch.testing.assert_close(StandardLogistic(2, 2).log_prob(z), logistic.log_prob(z).sum((1, 2)))
    generator = torch.Generator().manual_seed(0)
    for base, variance in ((StandardNormal(3), 1), (StandardLogistic(3), math.pi**2 / 3)):
        z = base.sample(20000, generator)
        assert z.shape == (20000, 3)
        assert z.mean(0).abs().max() < 4 * math.sqrt(variance / 20000)
        assert z.var(0).sub(variance).abs().max() < 0.15 * variance


def test_samples_follow_the_density():
    """The mean of log q over its own samples is minus its entropy, by quadrature."""
    flow = stirred(flows.real_nvp(2, 3, hidden=(8,)))
    h = 40 / 600
    line = -20 + h * (torch.arange(600, dtype=torch.float64) + 0.5)
    log_q = flow.log_prob(torch.cartesian_prod(line, line)).detach()
    entropy = -(log_q.exp() * log_q).sum().item() * h * h
    log_q = flow.log_prob(flow.sample(40000, generator=torch.Generator().manual_seed(0)))
    error = log_q.std().item() / math.sqrt(len(log_q))
    assert -log_q.mean().item() == pytest.approx(entropy, abs=5 * error)


def test_sampling_is_fixed_by_the_generator_and_spares_the_global_state():
    flow = flows.real_nvp(2)
    before = torch.random.get_rng_state()
    a = flow.sample(4, generator=torch.Generator().manual_seed(1))
    b = flow.sample(4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(a, b)
    assert not a.requires_grad
    assert torch.equal(before, torch.random.get_rng_state())


def test_speaks_the_verbs_and_follows_to_other_types():
    flow = flows.real_nvp(2, context_dim=1)
    for protocol in (HasLogProb, HasSample, HasLoss):
        assert isinstance(flow, protocol)
    assert flow.double().sample(3, torch.zeros(3, 1, dtype=torch.float64)).dtype == torch.float64
    x = torch.zeros(3, 2, dtype=torch.float64)
    context = torch.ones(3, 1, dtype=torch.float64)
    torch.testing.assert_close(flow.loss(x, context), -flow.log_prob(x, context).mean())


def test_everything_follows_to_another_device():
    """The meta device computes shapes only, and refuses to mix with tensors that stayed behind."""
    for flow in (flows.real_nvp(4, 2, mask=flows.alternating_mask(4)), flows.nice(2)):
        flow = flow.to("meta")
        sample = flow.sample(3)
        assert sample.device.type == "meta"
        z, log_det = flow.bijection(sample)
        assert flow.base.log_prob(z).device.type == log_det.device.type == "meta"


def test_other_seeds_give_other_weights():
    a, b = (dict(flows.real_nvp(2, seed=s).named_parameters()) for s in (0, 1))
    assert any(not torch.equal(a[key], b[key]) for key in a)
    first, second = flows.real_nvp(4, 2).bijection.bijections
    assert not torch.equal(first.net[0].weight, second.net[0].weight)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(3, 4), "x: got shape (3, 4); want (n, 2)"),
        (torch.zeros(2), "x: got shape"),
        (torch.zeros(0, 2), "x: got an empty batch"),
        (torch.full((1, 2), torch.nan), "x: got 2 NaN"),
        (torch.zeros(1, 2, dtype=torch.int64), "x: got dtype"),
        ([[0.0, 0.0]], "x: got a list"),
    ],
)
def test_log_prob_rejects_bad_input(x, says, unchecked):
    with pytest.raises(ValueError, match=re.escape(says)):
        flows.real_nvp(2).log_prob(x)


def test_sample_rejects_bad_input(unchecked):
    flow = flows.real_nvp(2, context_dim=1)
    with pytest.raises(ValueError, match="n: got 0"):
        flow.sample(0)
    with pytest.raises(ValueError, match="context: got shape"):
        flow.sample(3, torch.zeros(2, 1))


BAD = [
    (lambda: flows.real_nvp(1), "d: got 1"),
    (lambda: flows.real_nvp(2, couplings=0), "couplings: got 0"),
    (lambda: flows.real_nvp(2, mask=torch.ones(2)), "mask: got all ones"),
    (lambda: flows.real_nvp(2, mask=torch.zeros(2)), "mask: got no ones"),
    (lambda: flows.real_nvp(2, mask=torch.tensor([0.5, 1])), "mask: got values"),
    (lambda: flows.real_nvp(3, mask=torch.tensor([0.0, 1])), "mask: got shape"),
    (lambda: flows.Coupling(torch.ones(2)), "mask: got all ones"),
    (lambda: flows.Coupling(flows.half_mask(2), bound=0.0), "bound: got"),
    (lambda: flows.Affine(torch.ones(2, 2)), "matrix: got a singular matrix"),
    (lambda: flows.Affine(torch.zeros(2, 3)), "matrix: got shape"),
    (lambda: flows.Affine(torch.full((2, 2), torch.nan)), "matrix: got 4 NaN"),
    (lambda: flows.Cholesky(0), "d: got 0"),
    (lambda: flows.SinhArcsinh(0), "d: got 0"),
    (lambda: flows.Scale(0), "d: got 0"),
    (lambda: flows.Logit(0.5), "margin: got 0.5"),
    (lambda: flows.Permutation([0, 0]), "order: got"),
    (lambda: flows.Permutation([]), "order: got"),
    (lambda: flows.reverse(0), "d: got 0"),
    (lambda: flows.Householder(2, 0), "reflections: got 0"),
    (lambda: flows.Householder(0), "d: got 0"),
    (lambda: flows.Givens(1), "d: got 1"),
    (lambda: flows.Givens(3, [(0, 1), (1, 2)]), "pairs: got"),
    (lambda: flows.Givens(3, [(0, 3)]), "pairs: got"),
    (lambda: flows.Compose([]), "bijections: got an empty list"),
    (lambda: flows.Split(flows.Flatten(1, 2, 2), (1, 2, 2)), "shape: got 1 channels"),
    (lambda: flows.multiscale_real_nvp((1, 6, 6), scales=2), "shape: got (1, 6, 6)"),
    (lambda: flows.channel_mask(1, 2, 2), "channels: got 1"),
    (lambda: flows.checkerboard_mask(1, 1, 1), "height, width: got 1, 1"),
]


@pytest.mark.parametrize(("make", "says"), BAD)
def test_constructors_reject_bad_input(make, says, unchecked):
    with pytest.raises(ValueError, match=re.escape(says)):
        make()
