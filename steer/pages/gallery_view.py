"""From a run's record to what its page shows: plain values only, no pictures and no HTML.

The same record gives the same page. Thumbnails are put in later, by `steer.pages.gallery`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steer.compare.prompt_diff import Segment, prompt_diff
from steer.pages import wording
from steer.pages.gallery_figures import Tile, chart, tiles
from steer.parts import BASE_ID
from steer.record.events import PromptRejected, Rejected, TasteRead
from steer.record.folder import Record
from steer.record.summary import Candidate
from steer.taste import Taste


@dataclass
class CandidateCard:
    """One picture of the grid."""

    id: str
    iteration: int
    prompt: str
    diff: list[Segment]
    image: str  # path of the original, relative to the page
    score_text: str
    rank_text: str
    base: bool
    best: bool
    reason: str | None
    hearted: bool = False
    buried: bool = False
    own: bool = False  # a person's own wording
    thumb: str = ""  # data: address, filled in by `steer.pages.gallery`
    large: str = ""  # the same, for the pair at the top


@dataclass
class Fresh:
    """One seed that the search never saw: base and best beside each other."""

    seed: int
    base_image: str
    best_image: str
    base_text: str
    best_text: str
    gain_text: str
    base_thumb: str = ""
    best_thumb: str = ""


@dataclass
class GallerySection:
    """The base prompt, or one iteration."""

    title: str
    note: str
    cards: list[CandidateCard]
    dropped: list[dict[str, str]]  # rejected before they were rendered: prompt, reason


@dataclass
class Page:
    """Everything that the template shows."""

    name: str
    created: str
    prompt: str
    short_prompt: str
    person: str
    lede: str
    notices: list[dict[str, str]]
    base: CandidateCard | None
    best: CandidateCard | None
    won: bool  # a rewrite beat the base prompt
    no_winner: str
    scored: str
    parts: list[GallerySection]
    tiles: list[Tile]
    fresh: list[Fresh]
    chart: dict[str, Any] | None
    tables: list[dict[str, Any]]
    command: str
    settings: str
    complete: bool
    version: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def cards(self) -> list[CandidateCard]:
        """All cards in the order of the page."""
        return [card for part in self.parts for card in part.cards]


def build(record: Record) -> Page:
    """The page of one run, finished or not."""
    name, config, result, candidates = record.folder.name, record.config, record.result, record.candidates
    prompt = str(config["prompt"])
    best_id = (result.get("best") or {}).get("id")
    ranked = sum(c.rank is not None for c in candidates)
    cards = {c.id: _card(c, prompt, best_id, ranked) for c in candidates if c.image is not None}
    best = cards.get(best_id) if best_id else None
    command = reproduce(config)
    page = Page(
        name=name,
        created=str(config.get("created", ""))[:16].replace("T", " "),
        prompt=prompt,
        short_prompt=prompt if len(prompt) <= 60 else prompt[:59] + "…",
        person=str(config["person"]["label"]),
        lede=_lede(config, result, ranked),
        notices=_notices(record, result),
        base=cards.get(BASE_ID),
        best=best,
        won=best is not None and best_id != BASE_ID,
        no_winner="No rewrite was rated higher than the base prompt, so the base prompt is the result.",
        scored=f"{ranked:,}",
        parts=_parts(record, candidates, cards, best_id),
        tiles=[],
        fresh=_fresh(result),
        chart=chart(candidates, best_id),
        tables=_tables(record, config, result),
        command=command,
        settings=json.dumps(config, indent=2, ensure_ascii=False),
        complete=record.complete,
        version=f"steer {(config.get('versions') or {}).get('steer') or ''}".strip(),
    )
    page.tiles = tiles(result, page.won)
    by_id = {c.id: c for c in candidates}
    page.facts = {
        "command": command,
        "candidates": {card.id: _fact(card, by_id[card.id]) for card in page.cards},
    }
    return page


def reproduce(config: Mapping[str, Any]) -> str:
    """The command that makes this run again, quoted for a POSIX shell."""
    argv = [str(word) for word in config.get("argv") or ()]
    return shlex.join(["steer", *(argv or ["run", "--prompt", str(config["prompt"])])])


def _card(c: Candidate, prompt: str, best_id: str | None, ranked: int) -> CandidateCard:
    return CandidateCard(
        id=c.id,
        iteration=c.iteration,
        prompt=c.prompt,
        diff=prompt_diff(prompt, c.prompt),
        image=str(c.image),
        score_text=wording.score(c.score),
        rank_text=f"{c.rank} of {ranked}" if c.rank is not None else "",
        base=c.id == BASE_ID,
        best=c.id == best_id,
        reason=c.reason,
        hearted=c.hearted,
        buried=c.fate == "buried",
        own=c.own,
    )


def _fact(card: CandidateCard, c: Candidate) -> dict[str, Any]:
    where = "base prompt" if card.base else f"iteration {c.iteration}"
    state = "rejected" if card.reason else "the best" if card.best else ""
    return {
        "prompt": c.prompt,
        "title": ", ".join(filter(None, [c.id, where, state])),
        "score": card.score_text,
        "rank": f"rank {card.rank_text}" if card.rank_text else "",
        "caption": ", ".join(filter(None, [f"predicted {card.score_text}", state])),
        "reason": card.reason,
        "seed": str(c.seed),
        "meta": {
            "id": c.id,
            "iteration": c.iteration,
            "parents": list(c.parents),
            "seed": c.seed,
            "score": c.score,
            "adherence": c.adherence,
            "rank": c.rank,
            "fate": c.fate,
            "image": c.image,
        },
    }


def _lede(config: Mapping[str, Any], result: Mapping[str, Any], ranked: int) -> str:
    person = f"Steered for {config['person']['label']}"
    rounds = int(result.get("iterations") or 0)
    count = f"{rounds} {'iteration' if rounds == 1 else 'iterations'}"
    if result.get("status") != "complete":
        return f"{person}. {ranked} pictures rated in {count} so far."
    patience = (config.get("settings") or {}).get("patience")
    ending = wording.stop(result.get("stop_reason"), patience)
    return f"{person}. {ranked} pictures rated in {count}; the search {ending}."


def _notices(record: Record, result: Mapping[str, Any]) -> list[dict[str, str]]:
    notices = []
    if record.config.get("simulated"):
        more = " What other presets need on this machine:"
        notice = wording.simulated_notice(record.config["person"]["kind"])
        notices.append({"text": notice + more, "command": "steer doctor"})
    status = result.get("status")
    if status != "complete":
        state = f"This run failed: {record.error}." if status == "error" else f"This run is {status}."
        again = f"steer runs resume {record.folder.name}"
        notices.append(
            {"text": state + (" Continue it with:" if status != "running" else ""),
             "command": again if status != "running" else ""}
        )  # fmt: skip
    if lost := record.unreadable:
        count = f"{lost} {'line' if lost == 1 else 'lines'}"
        notices.append({"text": f"{count} of the log cannot be read and do not count.", "command": ""})
    return notices


def _fresh(result: Mapping[str, Any]) -> list[Fresh]:
    confirm = result.get("confirm")
    if not confirm or confirm["winner_is_base"]:
        return []
    columns = ("seeds", "baseline_images", "best_images", "baseline", "best")
    return [
        Fresh(seed, left, right, wording.score(base), wording.score(best), wording.gain(best - base))
        for seed, left, right, base, best in zip(*(confirm[key] for key in columns), strict=True)
    ]


def _parts(
    record: Record, candidates: Sequence[Candidate], cards: Mapping[str, CandidateCard], best_id: str | None
) -> list[GallerySection]:
    dropped: dict[int, list[dict[str, str]]] = {}
    for event in record.events:
        # What never got as far as a picture.
        if isinstance(event, PromptRejected) or (isinstance(event, Rejected) and event.id not in cards):
            dropped.setdefault(event.iteration, []).append({"prompt": event.prompt, "reason": event.reason})
    parts = []
    pinned = [cards[BASE_ID]] if BASE_ID in cards else []
    for number in sorted({c.iteration for c in candidates if c.id != BASE_ID} | dropped.keys()):
        own = [c for c in candidates if c.iteration == number and c.id != BASE_ID]
        # Best first, what cannot win last; among equals the earlier stays first.
        shown = sorted(
            (c for c in own if c.image is not None),
            key=lambda c: (c.reason is not None, -(c.score if c.score is not None else float("-inf"))),
        )
        rated = [c.score for c in shown if c.score is not None and c.reason is None]
        note = f"{len(rated)} rated" + (f", the best {wording.score(max(rated))}" if rated else "")
        off = sum(c.reason is not None and c.fate != "buried" for c in shown)
        if off:
            note += f"; {off} rejected after rendering"
        if any(c.id == best_id for c in shown):
            note += "; the best of the run is here"
        title = f"The base prompt and iteration {number}" if pinned else f"Iteration {number}"
        parts.append(
            GallerySection(title, note + ".", pinned + [cards[c.id] for c in shown], dropped.get(number, []))
        )
        pinned = []
    if pinned:
        parts.append(GallerySection("The base prompt", "What the search starts from.", pinned, []))
    return parts


def _search_table(record: Record) -> list[dict[str, Any]]:
    """What decided what was rendered, for a search that decides."""
    result, rows = record.result, []
    for event in record.events:
        if isinstance(event, TasteRead):
            taste = Taste.from_json(event.likings, event.corrections)
            rows += [["taste", line] for line in taste.lines]
            rows += [["corrected", wording.corrected(taste.corrections)]] if taste.corrections else []
    if hits := result.get("forecast"):
        rows.append(["forecast", wording.forecast(hits)])
    for one in result.get("finalists") or ():
        scores = ", ".join(wording.score(score) for score in one["scores"])
        rows.append([f"finalist {one['id']}", f"mean {wording.score(one['mean'])} of {scores}"])
    return [{"title": f"The search: {result.get('search') or 'paper'}", "rows": rows}] if rows else []


def _tables(record: Record, config: Mapping[str, Any], result: Mapping[str, Any]) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = []
    confirm = result.get("confirm")
    if confirm:
        rows = [
            [f"seed {seed}", wording.score(a), wording.score(b), wording.gain(b - a)]
            for seed, a, b in zip(confirm["seeds"], confirm["baseline"], confirm["best"], strict=True)
        ]
        tables.append({"title": "Fresh seeds: base, best, gain", "rows": rows})
    tables += _search_table(record)
    seconds = result.get("seconds")
    if seconds:
        total = float(seconds.get("total") or 0.0) or 1.0
        rows = [
            [key, wording.seconds(float(seconds[key])), f"{100 * float(seconds[key]) / total:.0f}%"]
            for key in ("propose", "render", "score", "other", "total")
            if seconds.get(key) is not None
        ]
        tables.append({"title": "Where the time went", "rows": rows})
    if notes := result.get("notes"):
        tables.append({"title": "What the parts report", "rows": [[n["part"], n["text"]] for n in notes]})
    settings = config.get("settings") or {}
    rows = [["preset", str(config.get("preset", ""))], ["person", str(config["person"]["label"])]]
    for seat, part in (config.get("parts") or {}).items():
        rows.append([seat, str((part or {}).get("name") or "none")])
    rows += [[key.replace("_", " "), str(value)] for key, value in settings.items() if value is not None]
    tables.append({"title": "Settings", "rows": rows})
    return tables
