"""Draws the results: how many times our time and memory a peer takes."""

from __future__ import annotations

import math
from html import escape

WIDTH, LABELS, ROW, BAR = 860, 300, 46, 15
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 11px; fill: #57606a }
  .title { font-size: 15px; font-weight: 600 }
  .time { fill: #1f6feb } .memory { fill: #8250df }
  .one { stroke: #57606a; stroke-width: 1.5 } .grid { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .time { fill: #58a6ff } .memory { fill: #bc8cff } .grid { stroke: #30363d } .one { stroke: #9198a1 }
  }
"""


def rows(results: list[dict]) -> list[tuple[str, float, float]]:
    """A label and the two ratios of every peer that has a result beside ours."""
    found = []
    for result in results:
        ours = next((one for one in result["contenders"] if one["ours"] and not one["failure"]), None)
        for one in result["contenders"]:
            if ours and not one["ours"] and not one["failure"]:
                label = f"{result['contest']}: {one['name']}"
                found.append((label, one["seconds"] / ours["seconds"], one["peak_mib"] / ours["peak_mib"]))
    return found


def draw(results: list[dict]) -> str:
    """The chart as SVG. The scale is logarithmic, so that half and double are as far from one."""
    data = rows(results)
    ratios = [ratio for _, *pair in data for ratio in pair] or [1.0]
    low = min(-1, math.floor(math.log2(min(ratios))))
    high = max(1, math.ceil(math.log2(max(ratios))))
    height = 74 + ROW * len(data) + 24
    step = (WIDTH - LABELS - 60) / (high - low)

    def x(ratio: float) -> float:
        return LABELS + (math.log2(ratio) - low) * step

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
             f'aria-label="Time and memory of peers, as multiples of reconcile\'s">',
             f"<style>{STYLE}</style>",
             '<text class="title" x="16" y="24">What peers take, as multiples of reconcile</text>',
             '<rect class="time" x="16" y="36" width="12" height="12"/><text x="34" y="47">time</text>',
             '<rect class="memory" x="84" y="36" width="12" height="12"/>'
             '<text x="102" y="47">peak memory</text>',
             f'<text class="small" x="{WIDTH - 16}" y="47" text-anchor="end">'
             "right of 1: reconcile takes less</text>"]
    for power in range(low, high + 1):
        at = x(2.0**power)
        parts.append(f'<line class="{"one" if power == 0 else "grid"}" x1="{at:.1f}" x2="{at:.1f}" '
                     f'y1="62" y2="{height - 24}"/>')
        parts.append(f'<text class="small" x="{at:.1f}" y="{height - 8}" text-anchor="middle">'
                     f"{2.0**power:g}×</text>")
    for index, (label, time, memory) in enumerate(data):
        top = 68 + index * ROW
        parts.append(f'<text x="{LABELS - 12}" y="{top + 20}" text-anchor="end">{escape(label)}</text>')
        for offset, (kind, ratio) in enumerate((("time", time), ("memory", memory))):
            y = top + offset * (BAR + 2)
            left, right = sorted((x(1.0), x(ratio)))
            parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" '
                         f'height="{BAR}" rx="2"/>')
            parts.append(f'<text class="small" x="{right + 5:.1f}" y="{y + 12}">{ratio:.2g}×</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
