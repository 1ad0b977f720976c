"""README.md beside a checkpoint: what it is, what it stands on, how good it was, under which terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reward.predictor.checkpoint import CheckpointCard

PAGE = "README.md"


def page(card: CheckpointCard, id: str) -> str:
    """The model card, for the hub and for whoever finds the folder. `id`: its name, owner/name on the hub."""
    trained, people = card.trained, len(card.people)
    whose = "simulated people" if card.simulated else "people who rated pictures"
    terms = "\n".join(f"- {line}" for line in card.licences) or "- not stated"
    return f"""---
license: other
library_name: steer
tags: [personalization, aesthetics, image-quality]
---

# {id}

A predictor of how {people} {whose} ({card.world}) would rate pictures, from 1 to 5.
{"**The people are simulated: it says nothing about real ones.**" if card.simulated else ""}

```bash
steer reward pull {id}
steer run --user {card.people[0].id if card.people else "1"} --prompt "floating mossy rocks"
```

Encoders: {card.encoder["id"]} and {card.sentence_encoder["id"]}, which steer fetches by itself.
{_told(card)}

## What it stands on

| | |
|---|---|
{_rows(_facts(trained))}

## How good it was

On the validation sets of that data, in the epoch that was kept: the rank correlation (SROCC) within each
person, mean over people. New people are placed by equation 1 of the paper.

| figure | |
|---|---|
{_rows(trained.get("metrics") or {})}

## What it is not

A taste is predicted from the ratings of people like those above, of pictures like those that they rated. It
is no judgement of people or of art. Scores of other kinds of pictures, and for other kinds of people, are
guesses.

## Terms of what went into it

{terms}
"""


def _told(card: CheckpointCard) -> str:
    if any(value is not None for person in card.people for value in person.demographics.values()):
        return (
            "It holds what participants told of themselves (age, gender and the like): share it only if that "
            "may be known."
        )
    return (
        "Participants are known by their ids alone: what they said of themselves was taken out, so it\n"
        "steers to single people and to everybody, not to demographic groups."
    )


def _facts(trained: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its training; older ones say less."""
    data, recipe, versions = (_values(trained.get(name)) for name in ("data", "recipe", "versions"))
    facts = {
        "data": data.get("name"),
        "digest of the data": data.get("sha256"),
        "ratings, people, pictures": (
            f"{data['ratings']:,}, {data['people']:,}, {data['images']:,}" if "ratings" in data else None
        ),
        "training ratings": trained.get("rows"),
        "recipe": recipe.get("name"),
        "seed": trained.get("seed"),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _values(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _rows(values: Mapping[str, Any]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in values.items()) or "| not stated | |"
