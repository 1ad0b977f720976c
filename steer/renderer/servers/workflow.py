"""A workflow of ComfyUI in API format, and where in it prompt, seed and the rest belong.

They are found, in this order: where `--node seed=3.seed` says; where the file has placeholders (`%prompt%`,
`%seed%`, `%width%` …); by walking from the only seed to its sampler, and from there along its links. What
could be two places is listed, not guessed.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steer.errors import UsageError
from steer.wire import one_line

Graph = dict[str, dict[str, Any]]  # id of a node -> class_type, inputs

SHIPPED = Path(__file__).parent / "workflows"
MOST = 20_000_000  # bytes of a file
EXPORT = "in ComfyUI export it again with Workflow > Export (API)"
PLACEHOLDERS = {
    "prompt": "prompt", "negative_prompt": "negative", "seed": "seed", "width": "width", "height": "height",
    "steps": "steps", "scale": "guidance", "cfg": "guidance", "model": "model",
}  # fmt: skip
PLACES = tuple(dict.fromkeys(PLACEHOLDERS.values()))
_OPTION = {"width": "--size", "height": "--size", "model": "--renderer"}
_PLACEHOLDER = re.compile(r"%(\w{1,40})%")
_NODE = re.compile(r"(?P<name>\w+)=(?P<node>[^.\s]+)\.(?P<input>\w+)")
_SEEDS = ("seed", "noise_seed")
_TEXTS = ("text", "prompt", "text_g", "text_l", "clip_l", "clip_g", "t5xxl")
_CONDITIONINGS = (
    "positive",
    "conditioning",
    "conditioning_1",
    "conditioning_2",
    "conditioning_to",
    "conditioning_from",
)
_MODELS = ("ckpt_name", "unet_name")


@dataclass(frozen=True, order=True)
class Place:
    """One input of one node."""

    node: str
    input: str

    def __str__(self) -> str:
        return f"{self.node}.{self.input}"


@dataclass(frozen=True)
class Workflow:
    """A graph, and the inputs that are filled in for each picture, by what goes there."""

    graph: Graph
    places: Mapping[str, tuple[Place, ...]]
    name: str  # for people

    def filled(self, values: Mapping[str, Any]) -> Graph:
        """The graph to send. None leaves what the file has. Raises `UsageError` for what is missing."""
        graph = copy.deepcopy(self.graph)
        for name, places in self.places.items():
            for place in places:
                inputs = graph[place.node]["inputs"]
                inputs[place.input] = self._value(name, inputs[place.input], values.get(name))
        return graph

    def _value(self, name: str, now: Any, value: Any) -> Any:
        marks = [f"%{mark}%" for mark, what in PLACEHOLDERS.items() if what == name]
        if not (isinstance(now, str) and any(mark in now for mark in marks)):
            return now if value is None else value
        if value is None and name != "negative":
            raise UsageError(f"{self.name} wants {now}: give it with {_OPTION.get(name, f'--{name}')}")
        if now in marks:
            return value or "" if name == "negative" else value  # a number stays a number
        for mark in marks:
            now = now.replace(mark, str(value or ""))
        return now

    @property
    def classes(self) -> list[str]:
        """Kinds of nodes that it is made of."""
        return sorted({node["class_type"] for node in self.graph.values()})


def read_workflow(given: str, nodes: Sequence[str] = ()) -> Workflow:
    """The workflow in a file, or one that is shipped. Raises `UsageError`."""
    shipped = {path.stem: path for path in SHIPPED.glob("*.json")}
    path = shipped.get(given, Path(given).expanduser())
    try:
        if path.stat().st_size > MOST:
            raise UsageError(f"{path} is too large to be a workflow: {EXPORT}")
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(
            f"cannot read the workflow {path} ({error.strerror}); name a file, or one of "
            f"{', '.join(sorted(shipped))}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON ({one_line(str(error), 80)}): {EXPORT}") from error
    return parsed(found, given, nodes)


def parsed(found: Any, name: str, nodes: Sequence[str] = ()) -> Workflow:
    """The workflow that a JSON value is. Raises `UsageError`."""
    if isinstance(found, dict) and isinstance(found.get("nodes"), list):
        raise UsageError(
            f"{name} is in the format of ComfyUI's page, which its server does not run: {EXPORT}"
        )
    if isinstance(found, dict) and isinstance(found.get("prompt"), dict):
        found = found["prompt"]  # the body of a request
    if not isinstance(found, dict) or not found or not all(map(_is_node, found.values())):
        raise UsageError(f"{name} is no workflow in API format: {EXPORT}")
    graph: Graph = {str(id): node for id, node in found.items()}
    known = _placeholders(graph, name) | _named(graph, nodes, name)
    try:
        walked = _Walk(graph, name, known).places()
    except UsageError:
        if not known.get("prompt") or not known.get("seed"):
            raise
        walked = {}  # what was named is enough
    places = walked | known
    for what, input in (("prompt", "text"), ("seed", "seed")):
        if not places.get(what):
            raise UsageError(f"{name} has no place for the {what}: name it, as in --node {what}=6.{input}")
    return Workflow(graph, places, name)


def _is_node(node: Any) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )


# --- named by the user


def _named(graph: Graph, nodes: Sequence[str], name: str) -> dict[str, tuple[Place, ...]]:
    found: dict[str, list[Place]] = {}
    for given in nodes:
        match = _NODE.fullmatch(given.strip())
        if match is None or match["name"] not in PLACES:
            raise UsageError(
                f"--node {given!r} is not NAME=ID.INPUT, as in seed=3.seed; names are {', '.join(PLACES)}"
            )
        place = Place(match["node"], match["input"])
        if place.input not in graph.get(place.node, {}).get("inputs", {}):
            there = ", ".join(graph[place.node]["inputs"]) if place.node in graph else ""
            lacks = (
                f"its node {place.node} has {there or 'no inputs'}"
                if place.node in graph
                else f"no node {place.node}"
            )
            raise UsageError(f"--node {given!r}: {name} has no such input; {lacks}")
        found.setdefault(match["name"], []).append(place)
    return {what: tuple(places) for what, places in found.items()}


# --- placeholders


def _placeholders(graph: Graph, name: str) -> dict[str, tuple[Place, ...]]:
    found: dict[str, list[Place]] = {}
    for id, node in graph.items():
        for input, value in node["inputs"].items():
            for mark in _PLACEHOLDER.findall(value) if isinstance(value, str) else ():
                if mark in PLACEHOLDERS:
                    found.setdefault(PLACEHOLDERS[mark], []).append(Place(id, input))
                elif re.search(r"date|time", mark) is None:  # ComfyUI's own, in names of files
                    known = ", ".join(f"%{each}%" for each in PLACEHOLDERS)
                    raise UsageError(f"{name} has %{mark}%, and steer knows {known}: write a value there")
    return {what: tuple(dict.fromkeys(places)) for what, places in found.items()}


# --- walked


class _Walk:
    """From the only seed along the links."""

    def __init__(self, graph: Graph, name: str, known: Mapping[str, tuple[Place, ...]]) -> None:
        self.graph, self.name = graph, name
        self.known = known

    def places(self) -> dict[str, tuple[Place, ...]]:
        """Where each thing goes. Raises `UsageError` where there are several seeds or prompts."""
        seeds = self.known.get("seed") or self._one("seed", list(self._seeds()))
        if not seeds:
            return {}
        sampler = self._sampler(seeds[0].node)
        guider = self._linked(sampler, "guider") or sampler
        found = {
            "seed": seeds,
            "prompt": self.known.get("prompt")
            or self._one_node("prompt", self._texts(guider, ("positive", "conditioning"))),
            "negative": self._texts(guider, ("negative",)),
            "model": [
                Place(id, input)
                for id, node in self.graph.items()
                for input in _MODELS
                if isinstance(node["inputs"].get(input), str)
            ],
        }
        latent, sigmas = self._linked(sampler, "latent_image"), self._linked(sampler, "sigmas")
        for side in ("width", "height"):
            sides = [place for node in (latent, sigmas) if node for place in self._numbers(node, side)]
            found[side] = sides if latent and any(self._numbers(latent, side)) else []
        found["steps"] = [
            place for node in (sampler, sigmas) if node for place in self._numbers(node, "steps")
        ]
        guided = [place for node in dict.fromkeys((sampler, guider)) for place in self._numbers(node, "cfg")]
        found["guidance"] = guided or [
            place for node in self._chain(guider) for place in self._numbers(node, "guidance")
        ]
        if set(found["negative"]) & set(found["prompt"]):  # of a distilled model, which is guided by nothing
            found["negative"] = []
        if len(found["model"]) != 1:  # a second one refines, or the names belong together
            found["model"] = []
        return {what: tuple(places) for what, places in found.items() if places}

    def _seeds(self) -> Iterator[Place]:
        for id, node in self.graph.items():
            for input in _SEEDS:
                if input in node["inputs"]:
                    yield from self._numbers(id, input)

    def _one(self, what: str, found: list[Place]) -> tuple[Place, ...]:
        places = list(dict.fromkeys(found))
        if len(places) > 1:
            several = ", ".join(f"{place} ({self._title(place.node)})" for place in places)
            raise UsageError(
                f"{self.name} has several places for the {what}: {several}; choose, as in --node "
                f"{what}={places[0]}"
            )
        return tuple(places)

    def _one_node(self, what: str, found: list[Place]) -> tuple[Place, ...]:
        """Several inputs of one node belong together, as those of SDXL's encoders."""
        if len({place.node for place in found}) > 1:
            return self._one(what, found)
        return tuple(found)

    def _sampler(self, seed: str) -> str:
        """The node that the seed is for: its own, or the one that takes its noise or number."""
        seen: set[str] = set()
        todo = [seed]
        while todo:
            node = todo.pop(0)
            inputs = self.graph[node]["inputs"]
            if any(name in inputs for name in ("positive", "guider", "conditioning")):
                return node
            seen.add(node)
            todo += [
                id
                for id, other in self.graph.items()
                if id not in seen and any(_target(value) == node for value in other["inputs"].values())
            ]
        return seed

    def _linked(self, node: str | None, input: str) -> str | None:
        target = _target(self.graph[node]["inputs"].get(input)) if node else None
        return target if target in self.graph else None

    def _texts(self, node: str, inputs: Sequence[str]) -> list[Place]:
        """Texts at the end of these links."""
        found: list[Place] = []
        todo = [target for input in inputs if (target := self._linked(node, input))]
        seen: set[str] = set()
        while todo:
            here = todo.pop(0)
            if here in seen:
                continue
            seen.add(here)
            mine = self.graph[here]["inputs"]
            texts = [place for input in _TEXTS if input in mine for place in self._strings(here, input)]
            found += texts
            if not texts:
                todo += [target for input in _CONDITIONINGS if (target := self._linked(here, input))]
        return list(dict.fromkeys(found))

    def _chain(self, node: str) -> list[str]:
        """The nodes through which a conditioning passes."""
        found: list[str] = []
        todo: list[str] = [node]
        while todo:
            here = todo.pop(0)
            if here not in found:
                found.append(here)
                todo += [target for input in _CONDITIONINGS if (target := self._linked(here, input))]
        return found

    def _strings(self, node: str, input: str) -> list[Place]:
        return self._literals(node, input, str)

    def _numbers(self, node: str, input: str) -> list[Place]:
        return self._literals(node, input, int, float)

    def _literals(self, node: str, input: str, *kinds: type) -> list[Place]:
        """The input where its value stands: there, or in the node that it is linked to."""
        seen: set[str] = set()
        while node not in seen:
            seen.add(node)
            value = self.graph[node]["inputs"].get(input)
            if isinstance(value, kinds) and not isinstance(value, bool):
                return [Place(node, input)]
            target = _target(value)
            if target not in self.graph:
                return []
            inputs = self.graph[target]["inputs"]
            names = (input, "value", "int", "float", "string", "text", "number", *_SEEDS)
            node, input = target, next((name for name in names if name in inputs), "")
        return []

    def _title(self, node: str) -> str:
        meta = self.graph[node].get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else None
        return one_line(str(title or self.graph[node]["class_type"]), 40)


def _target(value: Any) -> str | None:
    """The node that a link comes from."""
    if (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str | int)
        and isinstance(value[1], int)
    ):
        return str(value[0])
    return None
