"""What one submission may use."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limits:
    """Caps on time, memory and bytes; the same for every submission of a run."""

    call_seconds: float = 10.0
    """One call of a student's function, wall time."""
    cell_seconds: float = 20.0
    """One cell of the notebook, wall time."""
    total_seconds: float = 300.0
    """The submission as a whole, wall time."""
    timeouts: int = 2
    """So many calls of one function may run out of time; the next ones are not tried."""
    memory_bytes: int = 4 << 30
    """Address space that the student's code may add."""
    output_bytes: int = 1 << 20
    """What all cells together may print and draw."""
    message_bytes: int = 256 << 20
    """One message from the child: a result, or a cell's outputs."""

    def to_dict(self) -> dict:
        return asdict(self)
