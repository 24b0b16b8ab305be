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
    """The submission as a whole, wall time; and its processor time."""
    timeouts: int = 2
    """So many calls of one function may run out of time; the next ones are not tried."""
    memory_bytes: int = 3 << 30
    """Memory that the student's code may add to what the libraries take."""
    threads: int = 64
    """Threads at once; other processes cannot be started at all."""
    scratch_bytes: int = 64 << 20
    """All files that the student's code writes; they are gone afterwards."""
    output_bytes: int = 1 << 20
    """What all cells together may print and draw."""
    message_bytes: int = 64 << 20
    """One message from the child: a result, or a cell's outputs."""

    def to_dict(self) -> dict:
        return asdict(self)
