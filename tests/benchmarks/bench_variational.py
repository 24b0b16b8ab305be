"""What a small VAE reaches on binarised digits, and how noisy each gradient estimator is.

Quality: test ELBO and its 1,000-sample importance-weighted estimate, in nats per image of 8×8
binary pixels; beside them what pixels on their own reach. Noise: the variance of one-sample
gradients of E_q[log p(x, z)] in the linear-Gaussian model with W = I, σ = 0.5, x = 1: by the mean
of a diagonal q = N(0, I), and by the Cholesky factor of a full one, averaged over the entries.
"""

import time

import torch
from torch.distributions import Bernoulli

from dgm_lib.data import digits
from dgm_lib.fit import fit
from dgm_lib.variational.forms import closed_form_elbo, closed_form_loss
from dgm_lib.variational.gradients import control_variate, pathwise_gradients, score_gradients
from dgm_lib.variational.likelihood import importance_log_likelihood
from dgm_lib.variational.linear_gaussian import LinearGaussian
from dgm_lib.variational.score_function import centre_leave_one_out
from dgm_lib.variational.vae import VAE


def vae_quality(latent: int, epochs: int = 300) -> dict[str, float]:
    """Train with early stopping on held-out training images, evaluate on the test images."""
    data, generator = digits("binary"), torch.Generator().manual_seed(0)
    vae, start = VAE(64, latent=latent, hidden=(128,)), time.perf_counter()
    loss = {"loss": closed_form_loss, "lr": 2e-3, "batch_size": 100}
    fit(vae, data.train, epochs=epochs, patience=40, **loss, progress=False)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        elbo = closed_form_elbo(vae, data.test, 1000, generator)
        weighted = importance_log_likelihood(vae, data.test, 1000, generator)
    return {
        "test ELBO": elbo.mean().item(),
        "weighted, 1000": weighted.mean().item(),
        "training (s)": seconds,
    }


def gradient_variance(k: int, full: bool, samples: int = 20_000) -> dict[str, float]:
    """The variance of one-sample estimates, per entry of the mean (or, if full, of L)."""
    model = LinearGaussian(torch.eye(k), torch.zeros(k), sigma=0.5).requires_grad_(False)

    def f(z):
        return model.decode(z).log_prob(torch.ones(k)) + model.prior().log_prob(z)

    mean = torch.zeros(k)
    scale = torch.eye(k) + 0.3 * full * torch.ones(k, k).tril(-1) / k
    eps = torch.randn(samples, k, generator=torch.Generator().manual_seed(0))
    value = f(eps @ scale.mT)
    baseline = value - centre_leave_one_out(value)
    plain = score_gradients(f, mean, scale, eps)
    score = score_gradients(lambda z: torch.ones(len(z)), mean, scale, eps)
    estimates = {
        "score function": plain,
        "leave-one-out": score_gradients(f, mean, scale, eps, baseline),
        "fitted control": [control_variate(g, h) for g, h in zip(plain, score, strict=True)],
        "reparameterised": pathwise_gradients(f, mean, scale, eps),
    }
    entries = torch.ones(k, k).tril().bool()
    return {
        name: (by_scale[:, entries] if full else by_mean).var(0).mean().item()
        for name, (by_mean, by_scale) in estimates.items()
    }


def main() -> None:
    data = digits("binary")
    pixels = Bernoulli(data.train.mean(0).clamp(1e-3, 1 - 1e-3)).log_prob(data.test).sum(-1)
    print(f"independent pixels: {pixels.mean():.2f} nats per test image")
    print(f"{'VAE':12s}{'test ELBO':>16s}{'weighted, 1000':>16s}{'training (s)':>16s}")
    for latent in (2, 8, 16):
        row = vae_quality(latent)
        print(f"{latent:3d} latent  " + "".join(f"{v:16.2f}" for v in row.values()), flush=True)
    for full, title in ((False, "mean, diagonal q"), (True, "Cholesky factor, full q")):
        rows = {k: gradient_variance(k, full) for k in (1, 2, 4, 8, 16, 32)}
        print(f"\nvariance of one-sample gradients by the {title}; dimension of z:")
        print(f"{'':17s}" + "".join(f"{k:>10d}" for k in rows))
        for name in rows[1]:
            print(f"{name:17s}" + "".join(f"{row[name]:10.1f}" for row in rows.values()))


if __name__ == "__main__":
    main()
