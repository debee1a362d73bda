"""The chart of the README: how long it takes until every wheel of a lock is there."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench.measure import Run

SHOWN = (
    ("lockhouse, nothing to do", "lockhouse, nothing to do", "#1a7f37"),
    ("lockhouse, 5 pins changed", "lockhouse, 5 pins changed", "#1a7f37"),
    ("lockhouse, cold", "lockhouse, cold", "#1a7f37"),
    ("uv pip sync, cold", "uv pip sync, cold (installs too)", "#8c959f"),
    ("pip wheel --find-links, all there", "pip wheel, all there", "#8c959f"),
    ("pip download, cold", "pip download, cold", "#8c959f"),
    ("pip download, again", "pip download, warm cache", "#8c959f"),
)


def draw(results: Mapping[str, Run], title: str, path: Path) -> None:
    """Write the chart as SVG, without a date or a maker in it, so that the same numbers give the same file."""
    rows = [(label, results[name].seconds, colour) for name, label, colour in SHOWN if name in results]
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lockhouse", "font.family": "sans-serif"})
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(rows) + 0.9))
    bars = axes.barh([row[0] for row in rows], [row[1] for row in rows], color=[row[2] for row in rows])
    axes.bar_label(bars, [f" {row[1]:.1f} s" for row in rows])
    axes.invert_yaxis()
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("seconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(path, format="svg", metadata=nothing)
