"""The switch that `instrument_threads` sets: whether threads and executors hand their creator's active
span on. Any thread.
"""

from __future__ import annotations

threads = True
