"""The table, the JSON and the chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

from tests.bench.measures import Row, Samples, factors, medians, misses


@dataclass(frozen=True, slots=True)
class Result:
    """A row that was run, or why it was not."""

    row: Row
    samples: Samples
    failure: str | None = None


def cell(value: float) -> str:
    """Three significant digits, whole numbers from a hundred up."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def line(result: Result) -> list[str]:
    """The cells of one row: title, ours, the others, factors, verdict."""
    row, middle = result.row, medians(result.samples)
    if result.failure:
        return [row.title, "failed", "", "", result.failure[:60]]
    ours = f"{cell(middle['pacsd'])} {row.unit}" if "pacsd" in middle else "-"
    others = ", ".join(
        f"{side} {cell(middle[side])} {row.unit}" if side in middle else f"{side} {_without(result, side)}"
        for side in dict.fromkeys([*row.sides, *middle])
        if side != "pacsd"
    )
    ratio = ", ".join(f"{factor:.2f}x {side}" for side, factor in factors(row, middle).items())
    missed = misses(row, middle)
    verdict = "MISSED " + "; ".join(missed) if missed else "ok" if row.targets and "pacsd" in middle else ""
    return [row.title, ours, others, ratio, verdict]


def _without(result: Result, side: str) -> str:
    """Why a side has no figure: one that was asked and cannot do it has an empty list."""
    return "not supported" if side in result.samples else "not measured"


def table(results: Sequence[Result]) -> str:
    """All rows as aligned text."""
    lines = [["", "pacsd", "others (medians)", "pacsd is better by", "target"], *map(line, results)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(5)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )


def document(results: Sequence[Result], facts: dict[str, object]) -> dict[str, object]:
    """Everything as JSON: samples too, so that spread can be seen."""
    return {
        **facts,
        "rows": [
            {
                "name": result.row.name,
                "title": result.row.title,
                "unit": result.row.unit,
                "higher_is_better": result.row.higher_is_better,
                "samples": result.samples,
                "medians": medians(result.samples),
                "factors": factors(result.row, medians(result.samples)),
                "missed": misses(result.row, medians(result.samples)),
                "failure": result.failure,
            }
            for result in results
        ],
    }


def draw(results: Sequence[Result], path: Path) -> None:
    """A bar for each factor against Orthanc and the floors, on a logarithmic axis around one."""
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter

    bars = [
        (f"{result.row.title}\nagainst {side}", factor)
        for result in results
        for side, factor in factors(result.row, medians(result.samples)).items()
    ]
    if not bars:
        return
    figure, axes = pyplot.subplots(figsize=(10, 0.45 * len(bars) + 1.2), layout="constrained")
    names, values = zip(*reversed(bars), strict=True)
    axes.barh(
        names,
        [value - 1 for value in values],
        left=1,
        color=["#2a7f62" if value >= 1 else "#b5523b" for value in values],
    )
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.bar_label(axes.containers[0], labels=[f"{value:.2f}x" for value in values], padding=3)  # type: ignore[arg-type]
    axes.margins(x=0.12, y=0.01)
    axes.xaxis.set_major_formatter("{x:g}x")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("pacsd is better by")
    axes.tick_params(axis="y", labelsize=7)
    figure.savefig(path)
    pyplot.close(figure)


def write(results: Sequence[Result], facts: dict[str, object], folder: Path) -> None:
    """results.json, results.svg and results.txt in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(document(results, facts), indent=1))
    (folder / "results.txt").write_text(table(results) + "\n")
    draw(results, folder / "results.svg")
