"""What a call costs with each tracer, as a picture: bars on a logarithmic scale, in its page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BAR = 760, 150, 90, 56, 28, 18
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.quiet { fill: #57606a; font-size: 12px }
.title { font-size: 15px; font-weight: 600 }
line { stroke: #d0d7de }
.other { fill: #afb8c1 }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #8d96a0 }
  line { stroke: #30363d }
  .other { fill: #484f58 }
  .ours { fill: #4493f8 }
}
"""


class Bar(NamedTuple):
    label: str
    microseconds: float
    ours: bool = False


def svg(bars: Sequence[Bar], caption: str) -> str:
    """The picture. Cheapest first; at least one bar."""
    ordered = sorted(bars, key=lambda bar: bar.microseconds)
    lowest = math.floor(math.log10(ordered[0].microseconds))
    highest = max(math.ceil(math.log10(ordered[-1].microseconds)), lowest + 1)
    bottom = _TOP + _ROW * len(ordered)
    height = bottom + 48

    def across(microseconds: float) -> float:
        share = (math.log10(microseconds) - lowest) / (highest - lowest)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    title = "Microseconds a traced call takes its caller, input and output recorded"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title">',
        f'<title id="title">{title}: '
        + escape("; ".join(f"{bar.label} {_number(bar.microseconds)}" for bar in ordered))
        + "</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="12" y="26">{title}</text>',
    ]
    for power in range(lowest, highest + 1):
        x = across(10.0**power)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP - 10}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(
            f'<text class="quiet" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{10.0**power:,g} µs</text>"
        )
    for at, bar in enumerate(ordered):
        y = _TOP + _ROW * at
        middle = y + _BAR / 2 + 4.5
        end = max(across(bar.microseconds), _LEFT + 1)
        parts.append(f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>')
        parts.append(
            f'<rect class="{"ours" if bar.ours else "other"}" x="{_LEFT}" y="{y}" '
            f'width="{end - _LEFT:.1f}" height="{_BAR}" rx="2"/>'
        )
        parts.append(f'<text x="{end + 8:.1f}" y="{middle}">{_number(bar.microseconds)}</text>')
    parts.append(f'<text class="quiet" x="12" y="{height - 10}">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
