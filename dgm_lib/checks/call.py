"""How a check calls a function: data in, plain data out, and nothing else looked at.

`Caller` is the narrow waist of the course. `LocalCaller` calls a function of this process (the
notebook, the library's tests); the grader has a caller that reaches a function in another
process. A check cannot tell them apart.
"""

import contextlib
import copy
import io
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

Plain = Tensor | bool | int | float | str | None | tuple | list | dict


class CallFailed(Exception):
    """A call brought no result.

    `kind` is "not written", "error", "timeout", "died" or "not plain"; the text is for the student.
    """

    def __init__(self, kind: str, message: str):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


class Unreachable(Exception):
    """The function could not be called at all, through no fault of its own: there is no verdict."""


@runtime_checkable
class Caller(Protocol):
    """A function under test, wherever it lives.

    `notes` collects what the function wrote to stderr: told to the student, and never a reason to
    lose points.
    """

    notes: list[str]

    def __call__(self, *args: Any, **kwargs: Any) -> Plain:
        """The function's result as plain data. Raises `CallFailed`."""

    def gradient(
        self, *args: Any, wrt: Sequence[int], output: int | None = None, **kwargs: Any
    ) -> tuple[Tensor, ...]:
        """The gradient of the sum of the result with respect to the arguments numbered `wrt`.

        `output` picks one element of a result that is a tuple. Raises `CallFailed`.
        """


def plain(result: Any) -> Plain:
    """The result with every tensor detached, on the CPU and of the base class, or `CallFailed`.

    >>> plain((torch.ones(2, requires_grad=True), np.float64(3)))
    (tensor([1., 1.]), 3.0)
    """
    if isinstance(result, np.generic):
        result = result.item()
    if result is None or type(result) in (bool, int, float, str):
        return result
    if isinstance(result, Tensor):
        return result.detach().cpu().as_subclass(Tensor).clone()
    if isinstance(result, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(result))
    if isinstance(result, list):
        return [plain(item) for item in result]
    if isinstance(result, tuple):
        return tuple(plain(item) for item in result)
    if isinstance(result, dict):
        return {str(key): plain(value) for key, value in result.items()}
    raise CallFailed(
        "not plain",
        f"it returned a {type(result).__name__}; want tensors, numbers or strings, "
        "or tuples, lists and dicts of them",
    )


class LocalCaller:
    """Calls a function of this process, on copies of the arguments."""

    def __init__(self, function: Callable):
        self.function = function
        self.notes: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Plain:
        return plain(self._run(copy.deepcopy(args), copy.deepcopy(kwargs)))

    def gradient(
        self, *args: Any, wrt: Sequence[int], output: int | None = None, **kwargs: Any
    ) -> tuple[Tensor, ...]:
        args = list(copy.deepcopy(args))
        for i in wrt:
            args[i] = args[i].detach().requires_grad_()
        result = self._run(args, copy.deepcopy(kwargs))
        if output is not None:
            if not isinstance(result, tuple | list) or len(result) <= output:
                raise CallFailed("not plain", f"want a tuple with at least {output + 1} elements")
            result = result[output]
        if not isinstance(result, Tensor) or not result.requires_grad:
            raise CallFailed(
                "error",
                "no gradient flows from the result to the input: look for .detach(), .item(), "
                ".data, torch.no_grad() or a conversion to numpy",
            )
        gradients = torch.autograd.grad(
            result.sum(), [args[i] for i in wrt], allow_unused=True, materialize_grads=True
        )
        return plain(tuple(gradients))

    def _run(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        stderr = io.StringIO()
        try:
            with contextlib.redirect_stderr(stderr), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                return self.function(*args, **kwargs)
        except NotImplementedError as error:
            stub = traceback.extract_tb(error.__traceback__)[-1].line or ""
            kind = "not written" if "raise NotImplementedError" in stub else "error"
            raise CallFailed(kind, _where(error, self.function)) from None
        except Exception as error:
            raise CallFailed("error", _where(error, self.function)) from None
        finally:
            said = [f"{w.category.__name__}: {w.message}" for w in caught]
            said += [stderr.getvalue().strip()] if stderr.getvalue().strip() else []
            self.notes += [note for note in said if note not in self.notes]


def _where(error: Exception, function: Callable) -> str:
    """The error in a line, with the line of the student's own code that raised it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = text if len(text) < 400 else text[:400] + " …"
    code = getattr(function, "__code__", None)
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if code is not None and frame.filename == code.co_filename
    ]
    return f"{text} (at `{own[-1].line}`)" if own and own[-1].line else text
