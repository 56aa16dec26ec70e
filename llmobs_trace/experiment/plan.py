"""Says what a run would do, without doing it. Any thread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What `run()` would do: nothing was touched to find out.

    >>> print(Experiment("sums", dataset=[("2+2?", "4")], task=str.upper).plan())
    a new run: 1 rows; 0 done, 1 left
    """

    rows: int
    repeats: int
    done: int
    continues: str | None
    said: str | None = None

    @property
    def left(self) -> int:
        """How many rows x repeats would run."""
        return self.rows * self.repeats - self.done

    def __str__(self) -> str:
        what = f"continues {self.continues}" if self.continues else "a new run"
        times = f" x {self.repeats}" if self.repeats > 1 else ""
        told = f"\n{self.said}" if self.said else ""
        return f"{what}: {self.rows:,} rows{times}; {self.done:,} done, {self.left:,} left{told}"
