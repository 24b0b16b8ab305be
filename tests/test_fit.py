"""The training loop: it learns, stops, restores, resumes, and says what is wrong."""

import copy
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from dgm_lib import data
from dgm_lib.fit import History, fit
from dgm_lib.nn import seeded


class Gaussian(nn.Module):
    """N(mean, diag exp(2 log_std)): its best loss is known exactly."""

    def __init__(self, d: int = 2):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(d))
        self.log_std = nn.Parameter(torch.zeros(d))

    def loss(self, x, context=None):
        z = (x - self.mean) / self.log_std.exp()
        return (0.5 * z**2 + self.log_std + 0.5 * math.log(2 * math.pi)).sum(1).mean()


class Noisy(nn.Module):
    """A small network with everything that could differ after a resume: noise, dropout, buffers."""

    def __init__(self):
        super().__init__()
        with seeded(0):
            self.net = nn.Sequential(
                nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2)
            )

    def loss(self, x, context=None):
        return ((self.net(x + 0.3 * torch.randn_like(x)) - x) ** 2).mean()


POINTS = data.two_moons(96, seed=5)
quick = {"epochs": 6, "batch_size": 16, "lr": 0.01}


def weights(model):
    return torch.cat([v.flatten().double() for v in model.state_dict().values()])


def test_finds_the_maximum_likelihood_gaussian():
    x = torch.randn(512, 2, generator=torch.Generator().manual_seed(0)) * 2 + 1
    model = Gaussian()
    history = fit(model, x, epochs=300, batch_size=512, lr=0.03, valid=0)
    torch.testing.assert_close(model.mean.detach(), x.mean(0), rtol=0, atol=1e-3)
    std = x.std(0, correction=0)
    torch.testing.assert_close(model.log_std.detach().exp(), std, rtol=1e-3, atol=0)
    entropy = (std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum().item()
    assert history.train[-1] == pytest.approx(entropy, abs=1e-4)


def test_losses_are_averages_over_examples_not_over_batches():
    """With a frozen answer (lr → 0) an epoch's loss is that of all the data, for ragged batches."""
    x = POINTS * torch.linspace(0.1, 5, 96)[:, None]
    want = Gaussian().loss(x).item()
    for batch_size in (1, 36, 95, 1000):
        history = fit(Gaussian(), x, epochs=1, batch_size=batch_size, lr=1e-12, valid=x)
        assert history.train == pytest.approx([want], rel=1e-5)
        assert history.valid == pytest.approx([want], rel=1e-5)


def test_best_weights_are_restored():
    seen = []

    def remember(epoch, model):
        seen.append(weights(model))

    model = Noisy()
    history = fit(model, POINTS, **quick | {"epochs": 25, "lr": 0.3}, callback=remember)
    assert len(seen) == len(history.train) == len(history.valid) == 25
    assert history.valid[history.best_epoch] == min(history.valid)
    assert history.best_epoch < 24  # the step is so long that the last epoch is not the best
    assert torch.equal(weights(model), seen[history.best_epoch])


def test_without_held_out_data_the_last_weights_stay():
    seen = []
    model = Noisy()
    history = fit(
        model, POINTS, **quick, valid=0, callback=lambda epoch, model: seen.append(weights(model))
    )
    assert history.valid == []
    assert history.best_epoch == 5
    assert torch.equal(weights(model), seen[-1])


def test_patience_counts_epochs_without_improvement():
    drifting = iter([5.0, 4.0, 4.5, 4.2, 4.1, 3.0, 2.0])

    def scripted(model, x, context):
        """The held-out loss follows a script; the training loss is 0."""
        return 0 * model.mean.sum() + (0.0 if model.training else next(drifting))

    history = fit(Gaussian(), POINTS, loss=scripted, patience=3, epochs=50, valid=8 / 96)
    assert history.valid == pytest.approx([5.0, 4.0, 4.5, 4.2, 4.1])
    assert history.best_epoch == 1


def test_seed_decides_and_the_global_state_is_left_alone():
    before = torch.get_rng_state()
    models = [Noisy(), Noisy(), Noisy()]
    histories = [fit(m, POINTS, **quick, seed=s) for m, s in zip(models, (1, 1, 2), strict=True)]
    assert torch.equal(torch.get_rng_state(), before)
    assert histories[0] == histories[1] != histories[2]
    assert torch.equal(weights(models[0]), weights(models[1]))


def test_epochs_see_new_noise_but_held_out_losses_the_same():
    seen = {True: [], False: []}

    def record(model, x, context):
        seen[model.training].append(torch.rand(1).item())
        return model.loss(x)

    fit(Gaussian(), POINTS, loss=record, epochs=4, batch_size=96, seed=0)
    assert len(set(seen[True])) == 4
    assert len(set(seen[False])) == 1


def test_every_example_is_seen_once_an_epoch_in_a_new_order():
    orders = []

    def record(model, x, context):
        orders[-1] += x[:, 0].tolist()
        return 0 * model.mean.sum()

    def new_epoch(epoch, model):
        orders.append([])

    new_epoch(-1, None)
    x = torch.arange(50.0)[:, None].repeat(1, 2)
    fit(Gaussian(), x, loss=record, epochs=3, batch_size=7, valid=0, callback=new_epoch)
    assert [sorted(order) for order in orders[:3]] == [list(range(50))] * 3
    assert orders[0] != orders[1] != list(range(50))


def test_held_out_examples_are_never_trained_on():
    x = torch.arange(40.0)[:, None].repeat(1, 2)
    seen = {True: set(), False: set()}

    def record(model, x, context):
        seen[model.training] |= set(x[:, 0].tolist())
        return 0 * model.mean.sum()

    fit(Gaussian(), x, loss=record, epochs=2, valid=0.25)
    assert len(seen[True]) == 30
    assert len(seen[False]) == 10
    assert not seen[True] & seen[False]


def test_context_stays_with_its_example():
    x = torch.arange(30.0)[:, None].repeat(1, 2)

    def check(model, x, context):
        assert torch.equal(context, x[:, :1] + 100)
        return 0 * model.mean.sum()

    fit(Gaussian(), x, context=x[:, :1] + 100, loss=check, epochs=1, batch_size=4)
    fit(Gaussian(), x, context=x[:, :1] + 100, loss=check, epochs=1, valid=(x[:5], x[:5, :1] + 100))


def test_modes_are_train_then_eval_and_come_back():
    model = Noisy().eval()
    seen = []

    def record(model, x, context):
        seen.append((model.training, torch.is_grad_enabled()))
        return model.loss(x)

    fit(model, POINTS, loss=record, epochs=1, batch_size=96)
    assert seen == [(True, True), (False, False)]
    assert not model.training


def test_float64_and_integers_and_no_epochs():
    model = Gaussian().double()
    assert fit(model, POINTS.double(), epochs=2).valid
    counts = torch.arange(20)[:, None].repeat(1, 2)
    assert fit(Gaussian(), counts, loss=lambda m, x, c: m.loss(x.float()), epochs=1).train
    assert fit(Gaussian(), POINTS, epochs=0) == History()


def test_silent_unless_asked(capfd):
    fit(Gaussian(), POINTS, epochs=2)
    assert capfd.readouterr() == ("", "")
    fit(Gaussian(), POINTS, epochs=2, progress=True)
    assert "2/2" in capfd.readouterr().err


# Checkpoints


@pytest.mark.parametrize("valid", [0.1, 0])
def test_resuming_gives_the_uninterrupted_run_bit_for_bit(tmp_path, valid):
    whole, parts = Noisy(), Noisy()
    want = fit(whole, POINTS, **quick, valid=valid)
    path = tmp_path / "run.pt"
    for epochs in (2, 3, 6):
        got = fit(parts, POINTS, **quick | {"epochs": epochs}, valid=valid, checkpoint=path)
        parts = Noisy()  # a new process starts from new weights
    fit(parts, POINTS, **quick, valid=valid, checkpoint=path)  # nothing is left to do
    assert got == want
    assert torch.equal(weights(parts), weights(whole))
    assert os.listdir(tmp_path) == ["run.pt"]


def test_resuming_keeps_the_patience(tmp_path):
    def overfit(model, x, context):
        return model.loss(x) if model.training else model.mean.sum() * 0 + len(calls)

    calls = []
    options = {**quick, "epochs": 30, "patience": 3, "loss": overfit, "valid": 0.5}
    count = {"callback": lambda epoch, model: calls.append(epoch)}
    fit(Gaussian(), POINTS, **options | {"epochs": 2}, **count, checkpoint=tmp_path / "a")
    history = fit(Gaussian(), POINTS, **options, **count, checkpoint=tmp_path / "a")
    assert history.valid == [0, 1, 2, 3]
    assert calls == [0, 1, 2, 3]


def test_interrupt_keeps_the_best_weights_and_the_last_epoch(tmp_path):
    seen = []

    def stop(epoch, model):
        seen.append(weights(model))
        if epoch == 3:
            raise KeyboardInterrupt

    model = Noisy()
    with pytest.raises(KeyboardInterrupt):
        fit(model, POINTS, **quick, callback=stop, checkpoint=tmp_path / "a")
    assert any(torch.equal(weights(model), w) for w in seen)
    resumed, whole = Noisy(), Noisy()
    assert fit(resumed, POINTS, **quick, checkpoint=tmp_path / "a") == fit(whole, POINTS, **quick)
    assert torch.equal(weights(resumed), weights(whole))


KILLED = """
import sys, torch
sys.path.insert(0, {root!r})
from tests.test_fit import Noisy, POINTS
from dgm_lib.fit import fit
def tell(epoch, model): print(epoch, flush=True)
fit(Noisy(), POINTS, epochs=100_000, batch_size=16, lr=0.01, checkpoint={path!r}, callback=tell)
"""


@pytest.mark.parametrize("after", [0.0, 0.011])
def test_killed_at_any_moment_it_loses_at_most_the_last_epoch(tmp_path, after, pytestconfig):
    """SIGKILL in the middle of the loop; the file left behind continues to the same end."""
    path = tmp_path / "run.pt"
    script = KILLED.format(root=str(pytestconfig.rootpath), path=str(path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        while int(child.stdout.readline()) < 3:
            pass
        time.sleep(after)
        child.send_signal(signal.SIGKILL)
        told = 1 + int((child.stdout.read().split() or [b"3"])[-1])
    saved = torch.load(path, weights_only=True)
    done = len(saved["train"])
    assert done in (told - 1, told)  # the callback comes just before the epoch is written

    end = done + 2
    resumed, whole = Noisy(), Noisy()
    got = fit(resumed, POINTS, **quick | {"epochs": end}, checkpoint=path)
    assert got == fit(whole, POINTS, **quick | {"epochs": end})
    assert torch.equal(weights(resumed), weights(whole))


def test_a_half_written_file_left_beside_it_does_no_harm(tmp_path):
    path = tmp_path / "run.pt"
    fit(Noisy(), POINTS, **quick | {"epochs": 3}, checkpoint=path)
    (tmp_path / "run.pt.part").write_bytes(path.read_bytes()[:500])
    model, whole = Noisy(), Noisy()
    assert fit(model, POINTS, **quick, checkpoint=path) == fit(whole, POINTS, **quick)
    assert torch.equal(weights(model), weights(whole))
    assert os.listdir(tmp_path) == ["run.pt"]


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    fit(Noisy(), POINTS, **quick | {"epochs": 3}, checkpoint=path)
    before = path.read_bytes()

    def full_disk(state, file):
        file.write(b"half of")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        fit(Noisy(), POINTS, **quick, checkpoint=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"model": Gaussian()}, "model Noisy; this run has Gaussian"),
        ({"data": POINTS + 1}, "data"),
        ({"data": POINTS[:50]}, "data"),
        ({"valid": 0.3}, "data"),
        ({"valid": POINTS[:5]}, "data"),
        ({"lr": 0.02}, "lr 0.01; this run has 0.02"),
        ({"batch_size": 17}, "batch_size 16; this run has 17"),
        ({"seed": 9}, "data|seed"),
    ],
)
def test_checkpoint_of_another_run(tmp_path, change, what):
    path = tmp_path / "run.pt"
    fit(Noisy(), POINTS, **quick, checkpoint=path)
    before = path.read_bytes()
    options = {"model": Noisy(), "data": POINTS, **quick, "checkpoint": path} | change
    kept = weights(options["model"])
    with pytest.raises(ValueError, match=rf"checkpoint: .*run.pt is of another run, with ({what})"):
        fit(options.pop("model"), options.pop("data"), **options)
    assert path.read_bytes() == before
    assert torch.equal(weights(change.get("model", Noisy())), kept)


@pytest.mark.parametrize("content", [b"", b"hello", "cut", "other"])
def test_checkpoint_that_is_none(tmp_path, content):
    path = tmp_path / "run.pt"
    if content == "other":
        torch.save({"weights": 1}, path)
    elif content == "cut":
        fit(Noisy(), POINTS, **quick, checkpoint=path)
        path.write_bytes(path.read_bytes()[:-200])
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint: cannot read .*run.pt .*move it away"):
        fit(Noisy(), POINTS, **quick, checkpoint=path)


def test_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"run": Evil()}, tmp_path / "run.pt")
    with pytest.raises(ValueError, match="checkpoint: cannot read"):
        fit(Noisy(), POINTS, **quick, checkpoint=tmp_path / "run.pt")
    assert not (tmp_path / "made").exists()


# Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": torch.full((4, 2), math.nan)}, "data: got 8 NaN or infinite"),
        ({"data": torch.zeros(0, 2)}, r"data: got shape \(0, 2\); want .* at least one"),
        ({"data": torch.tensor(1.0)}, r"data: got shape \(\)"),
        ({"data": [[1.0, 2.0]]}, "data: got a list"),
        ({"data": POINTS[:1]}, "valid: got 0.1 of 1 examples; want some left"),
        ({"context": POINTS[:3]}, "context: got 3 rows; want one for each of 96"),
        ({"context": POINTS * math.inf}, "context: got .* NaN or infinite"),
        ({"epochs": -1}, "epochs: got -1; want"),
        ({"batch_size": 0}, "batch_size: got 0; want at least 1"),
        ({"lr": 0.0}, "lr: got 0.0; want a positive"),
        ({"lr": math.nan}, "lr: got nan; want a positive"),
        ({"patience": 0}, "patience: got 0; want at least 1"),
        ({"patience": 2, "valid": 0}, "patience: got valid=0; want held-out data"),
        ({"valid": 1.0}, r"valid: got 1.0; want a fraction in \[0, 1\)"),
        ({"valid": -0.1}, "valid: got -0.1"),
        ({"valid": 0.999}, "valid: got 0.999 of 96 examples"),
        ({"valid": torch.zeros(3, 5)}, r"valid: got examples of shape \(5,\); want \(2,\)"),
        ({"valid": torch.zeros(0, 2)}, r"valid: got shape \(0, 2\)"),
        ({"valid": POINTS * math.nan}, "valid: got .* NaN"),
        ({"valid": POINTS, "context": POINTS}, "valid: got data with and without context"),
        ({"valid": (POINTS, POINTS[:3]), "context": POINTS}, "valid context: got 3 rows"),
        ({"model": nn.Identity()}, "model: got Identity without parameters"),
        ({"model": nn.Linear(2, 2)}, r"loss: got None, and Linear has no loss\(x, context\)"),
        ({"loss": lambda m, x, c: m.mean + x}, r"loss: got shape \(\d+, 2\); want a scalar"),
        ({"loss": lambda m, x, c: 1.0}, "loss: got .*float.*; want a scalar tensor"),
        ({"loss": lambda m, x, c: m.loss(x).detach()}, "loss: got a value without gradient"),
        ({"checkpoint": "no/such/folder/run.pt"}, "checkpoint: got no/such/folder/run.pt; want"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input(change, message):
    options = {"model": Gaussian(), "data": POINTS, "epochs": 1} | change
    with pytest.raises(ValueError, match=message):
        fit(options.pop("model"), options.pop("data"), **options)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_explodes_says_so_and_keeps_the_best_weights(bad):
    seen = []

    def explode(model, x, context):
        return model.loss(x) * (bad if len(seen) == 3 and model.training else 1)

    model = Gaussian()
    with pytest.raises(FloatingPointError, match=r"training loss became .* in epoch 3: lower lr"):
        fit(model, POINTS, loss=explode, callback=lambda e, m: seen.append(copy.deepcopy(m)))
    assert model.mean.isfinite().all()
    assert any(torch.equal(model.mean, m.mean) for m in seen)


def test_history_plots_itself():
    history = fit(Gaussian(), POINTS, epochs=5)
    ax = history.plot()
    train, valid, best = ax.lines
    assert train.get_ydata().tolist() == history.train
    assert valid.get_ydata().tolist() == history.valid
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (history.best_epoch, min(history.valid))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "held out"]
    assert len(History([2.0, 1.0]).plot().lines) == 1
