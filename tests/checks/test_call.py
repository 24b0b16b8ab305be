"""A caller hands copies in and plain data out, and turns every failure into a sentence."""

import sys
import warnings

import numpy as np
import pytest
import torch

from dgm_lib.checks.call import CallFailed, LocalCaller, plain


def test_plain_strips_what_is_not_data():
    class Sly(torch.Tensor):
        def __eq__(self, other):
            return True

    class Float(float):
        pass

    tensor = plain(torch.ones(2).as_subclass(Sly))
    assert type(tensor) is torch.Tensor
    assert not plain(torch.ones(2, requires_grad=True)).requires_grad
    assert type(plain(np.float64(1.0))) is float
    assert plain({"a": (np.ones(2), [True, None, "x"])})["a"][1] == [True, None, "x"]
    for odd in (Float(1), object(), {1, 2}, lambda: None, torch.nn.Linear(1, 1)):
        with pytest.raises(CallFailed, match="it returned a") as caught:
            plain(odd)
        assert caught.value.kind == "not plain"


def test_arguments_are_copies():
    def spoil(x):
        x.zero_()
        return x

    x = torch.ones(3)
    LocalCaller(spoil)(x)
    assert x.sum() == 3


def test_gradient_is_autograd_s():
    call = LocalCaller(lambda a, b: (a * b, a**2 + b))
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    da, db = call.gradient(a, b, wrt=(0, 1), output=1)
    torch.testing.assert_close(da, 2 * a)
    torch.testing.assert_close(db, torch.ones(2))
    _, unused = LocalCaller(lambda a, b: a.sum() + b.detach().sum()).gradient(a, b, wrt=(0, 1))
    assert (unused == 0).all()


@pytest.mark.parametrize(
    "cut", [lambda x: x.detach(), lambda x: x.sum().item(), lambda x: torch.tensor(x.tolist())]
)
def test_a_cut_gradient_is_named(cut):
    with pytest.raises(CallFailed, match=r"no gradient flows.*\.detach\(\)"):
        LocalCaller(cut).gradient(torch.ones(2), wrt=(0,))


def test_errors_say_what_and_in_which_line():
    def broken(x):
        y = x + 1
        return y.reshape(7)

    with pytest.raises(CallFailed, match=r"RuntimeError: .* \(at `return y.reshape\(7\)`\)") as e:
        LocalCaller(broken)(torch.ones(3))
    assert e.value.kind == "error"


def test_a_stub_is_told_from_an_operation_that_torch_lacks():
    def stub(x):
        raise NotImplementedError("replace this line")

    def deeper(x):
        return _torch_lacks_this()

    def _torch_lacks_this():
        error = NotImplementedError("no such kernel")
        raise error

    with pytest.raises(CallFailed) as e:
        LocalCaller(stub)(1)
    assert e.value.kind == "not written"
    with pytest.raises(CallFailed) as e:
        LocalCaller(deeper)(1)
    assert e.value.kind == "error"


def test_warnings_and_stderr_become_notes(capsys):
    def noisy(x):
        warnings.warn("odd", stacklevel=1)
        print("to stderr", file=sys.stderr)
        return x

    call = LocalCaller(noisy)
    assert call(1) == 1
    assert call(2) == 2
    assert call.notes == ["UserWarning: odd", "to stderr"]
    assert capsys.readouterr().err == ""
