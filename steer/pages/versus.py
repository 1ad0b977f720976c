"""The comparison of two runs as one self-contained page, in the look of the gallery.

Thumbnails are inside the page; originals and both galleries are linked by relative path. No script at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reward.files import write_whole
from reward.people.groups import Apart
from steer.compare.pixels import STATISTICS
from steer.compare.versus import Change, Side, Versus, signed
from steer.errors import RecordError
from steer.pages import wording
from steer.pages.gallery import picture_address
from steer.pages.html import fill, inline
from steer.record.files import new_folder, slug, write_json

_LARGE, _SMALL = (512, 84), (256, 75)


def write_versus(out: Path, left: Path, right: Path, found: Versus) -> Path:
    """Write `versus.json` and `versus.html` into a new folder under `out`; returns the page.

    `left` and `right` are the folders of the two runs. Raises `RecordError` where it cannot be written.
    """
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
    sides = f"{slug(found.left.short, 24) or 'one'}-versus-{slug(found.right.short, 24) or 'other'}"
    folder = new_folder(out, f"{stamp}-{slug(found.prompt) or 'prompt'}-{sides}")
    try:
        write_json(folder / "versus.json", found.to_json())
        write_whole(folder / "versus.html", render(found, folder, left, right).encode())
    except OSError as error:
        raise RecordError(
            f"cannot write to {folder} ({error.strerror or error}); make room, then: "
            f"steer runs compare {left} {right}"
        ) from error
    return folder / "versus.html"


def render(found: Versus, folder: Path, left: Path, right: Path) -> str:
    """The page as HTML; it will lie in `folder`, from where the runs are linked."""
    return fill(
        "versus.html.j2",
        v=found,
        style=inline("base.css", "gallery.css", "versus.css"),
        pictures=_pictures(found, folder, left, right),
        tiles=_tiles(found),
        rows=_rows(found),
        verdict=_verdict,
        notice=wording.SIMULATED_NOTICE if found.simulated else "",
        changed=[(s, change_words(s.changes), change_words(s.readings)) for s in (found.left, found.right)],
        apart_from_each_other=change_words(found.changes) + change_words(found.readings),
    )


def _verdict(side: Side) -> str:
    """What the confirmation of this side's run says."""
    if side.winner_is_base:
        return "No rewrite was rated higher than the base prompt."
    return wording.verdict({"verdict": side.verdict}) if side.verdict else "Not confirmed on fresh seeds."


def change_words(changes: list[Change]) -> list[str]:
    """What is worth saying of some changes."""
    return [change.words for change in changes if change.words]


@dataclass
class ShownPicture:
    """A picture at one seed, small, and the way to its original."""

    href: str
    data: str
    alt: str


def _pictures(found: Versus, folder: Path, left: Path, right: Path) -> list[dict[str, Any]]:
    """For each seed the base picture and both winners'."""
    rows = []
    sources = (
        (left, found.base_images, "The base prompt"),
        (left, found.left.images, found.left.short),
        (right, found.right.images, found.right.short),
    )
    for place, seed in enumerate(found.seeds):
        size = _LARGE if not place else _SMALL
        cells = [
            ShownPicture(
                _link(folder, run / names[place]),
                picture_address(run, names[place], *size),
                f"{who}, seed {seed}",
            )
            for run, names, who in sources
        ]
        rows.append({"seed": seed, "cells": cells})
    rows[0]["galleries"] = [_link(folder, run / "gallery.html") for run in (left, right)]
    return rows


def _link(folder: Path, target: Path) -> str:
    """A relative address; the folders lie beside each other unless someone compares from afar."""
    # `Path.resolve` raises at a link to itself, which a record from elsewhere may hold
    found = os.path.relpath(os.path.realpath(target), os.path.realpath(folder))
    return quote(Path(found).as_posix())


def _rows(found: Versus) -> list[dict[str, Any]]:
    """One line for each figure of a picture: base, left, right, and what tells the two apart."""
    rows = []
    for statistic, own, other, between in zip(
        STATISTICS, found.left.changes, found.right.changes, found.changes, strict=True
    ):
        show = _percent if statistic.name == "shadows" else _number
        interval = ""
        if between.ci95 is not None:
            interval = " to ".join(show(end, "+") for end in between.ci95)
        rows.append(
            {
                "name": statistic.name,
                "what": statistic.what,
                "cells": [show(own.before), show(own.after), show(other.after)],
                "difference": show(between.difference, "+"),
                "interval": interval,
                "words": between.words or "no clear difference",
            }
        )
    return rows


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.1f}".replace("-", "−")


def _percent(value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.0f}%".replace("-", "−")


def _tiles(found: Versus) -> list[dict[str, Any]]:
    """How far each group is from everybody else, and the two from each other, with a drawing."""
    tiles = [
        _tile(f"{side.short}, against everybody else", side.apart, side.apart_words)
        for side in (found.left, found.right)
    ]
    tiles.append(_tile("The two groups", found.between, found.between_words))
    return [tile for tile in tiles if tile]


def _tile(title: str, apart: Apart | None, sentence: str) -> dict[str, Any]:
    if not sentence:
        return {}
    if apart is None:
        return {"title": title, "value": "", "verdict": "", "text": sentence, "scale": None}
    said, _, measured = sentence.partition(": ")
    low, high = apart.ci95 or (apart.correlation, apart.correlation)
    floor = min(0.9, int(10 * min(low, apart.chance_limit) - (low < 0)) / 10)

    def x(value: float) -> float:
        return round(20 + 260 * (max(floor, min(1.0, value)) - floor) / (1 - floor), 1)

    return {
        "title": title,
        "value": f"r = {signed(apart.correlation)}",
        "verdict": said,
        "text": f"{measured[:1].upper()}{measured[1:]}",
        "scale": {
            "low": x(low), "high": x(high), "at": x(apart.correlation), "chance": x(apart.chance_limit),
            "ends": [_number(floor), "1"],
            "alt": f"Correlation {apart.correlation:.2f}; random groups above {apart.chance_limit:.2f}",
        },
    }  # fmt: skip
