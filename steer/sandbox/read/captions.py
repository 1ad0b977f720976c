"""Scenes in words: captions that train the encoder, and prompts as people write them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steer.sandbox.read import lexicon
from steer.sandbox.scene import Scene

# (axis, its value or the nearest of its five levels, the words used)
Named = tuple[str, lexicon.Value | float, str]

MAX_WORDS = 60

# how often a caption names each axis, relative to the others
WEIGHTS: dict[str, float] = {
    **{"style": 3.0, "lighting": 2.5, "ground": 2.0, "angle": 2.0, "palette": 2.0, "distance": 1.7},
    **{"material": 1.5, "weather": 1.5, "backdrop": 1.3, "dof": 1.3, "saturation": 1.3, "contrast": 1.2},
    **{
        "brightness": 1.2,
        "count": 1.2,
        "warmth": 1.0,
        "detail": 1.0,
        "haze": 0.9,
        "place": 0.9,
        "strength": 0.6,
    },
}
FLOATING = ("floating", "levitating", "hovering")


def level(axis: str, value: float) -> float:
    """The nearest of the five levels that the lexicon has words for."""
    return min((known for known, _ in lexicon.LEVELS[axis]), key=lambda known: abs(known - value))


def subject_phrase(scene: Scene) -> str:
    """The bare base prompt of a scene: "floating mossy rocks", "a wooden boat"."""
    noun = lexicon.SUBJECT_NOUNS[scene.subject][0][_plural(scene)]
    material = lexicon.MATERIAL_ADJECTIVES[scene.material][:1]
    phrase = " ".join(["floating"] * scene.floating + [*material, noun])
    return phrase if _plural(scene) else _with_article(phrase)


def phrases(scene: Scene, rng: np.random.Generator, count: int | None = None) -> list[Named]:
    """The subject and `count` (default: 5 to 9 at random) of the scene's settings, each by one phrase."""
    weights = {axis: weight for axis, weight in WEIGHTS.items() if _visible(scene, axis)}
    weights["floating"] = 6.0 if scene.floating else 0.3
    axes = _choose(rng, weights, int(rng.integers(5, 10)) if count is None else count)
    return [_subject(scene, rng), *(_name(scene, axis, rng) for axis in axes)]


def caption(scene: Scene, rng: np.random.Generator, named: Sequence[Named] | None = None) -> str:
    """One caption of at most 60 words, in varied order, made of `named` (default: `phrases(scene, rng)`)."""
    named = phrases(scene, rng) if named is None else named
    words = {axis: phrase for axis, _, phrase in named}
    head = _noun_phrase(scene, words, rng)
    tail = _places(words)
    said = {"subject", "count", *tail}
    rest = [p for axis, _, p in named if axis not in said and p not in head]
    rest = [rest[i] for i in rng.permutation(len(rest))]
    if "style" in words and rng.random() < 0.5:
        openers = lexicon.STYLE_OPENERS[scene.style]
        head = f"{openers[int(rng.integers(len(openers)))]} {head}"
        rest = [phrase for phrase in rest if phrase != words["style"]]
    elif rest and rng.random() < 0.25:
        head = f"{rest.pop()}, {head}"
    return _join(" ".join([head, *tail.values()]), rest, rng)


def prompt(scene: Scene, rng: np.random.Generator) -> str:
    """A prompt for the scene as people write them: the subject, perhaps where it is, and 2 to 6 looks.

    Of the numeric settings only those that stand out are named.
    """
    weights = {"style": 3.0, "lighting": 2.5, "angle": 1.5, "palette": 1.5, "weather": 1.0}
    if scene.weather == "clear":
        weights["weather"] = 0.2
    for axis in set(lexicon.LEVELS) - {"place", "strength"}:
        levels = [known for known, _ in lexicon.LEVELS[axis]]
        weights[axis] = 0.6 * abs(levels.index(level(axis, getattr(scene, axis))) - 2)
    weights = {axis: weights[axis] for axis in sorted(weights) if weights[axis] > 0 and _visible(scene, axis)}
    looks = _choose(rng, weights, int(rng.integers(2, 7)))
    places = [
        axis for axis, p in (("ground", 0.5), ("backdrop", 0.3)) if rng.random() < p and _visible(scene, axis)
    ]
    words = {axis: _name(scene, axis, rng)[2] for axis in [*places, *looks]}
    tail = _places(words)
    head = " ".join([subject_phrase(scene), *tail.values()])
    return ", ".join([head, *(phrase for axis, phrase in words.items() if axis not in tail)])


def describe(scene: Scene) -> str:
    """One plain sentence for people: "Digital art of floating mossy rocks in a forest, golden hour, …"."""
    first = {axis: lexicon.VALUES[axis][getattr(scene, axis)][0] for axis in _LOOKS}
    opener = lexicon.STYLE_OPENERS[scene.style][0]
    where = first["ground"] + (f" {first['backdrop']}" if _visible(scene, "backdrop") else "")
    looks = [first[axis] for axis in ("lighting", "weather", "angle", "palette")]
    looks[3:3] = [dict(lexicon.LEVELS["distance"])[level("distance", scene.distance)][0]]
    sentence = f"{opener} {subject_phrase(scene)} {where}: {', '.join(looks)}."
    return sentence[0].upper() + sentence[1:]


_LOOKS = ("ground", "backdrop", "lighting", "weather", "angle", "palette")


def _visible(scene: Scene, axis: str) -> bool:
    """Whether a caption may name the axis: what a viewer could not tell would teach the encoder noise."""
    hidden = {
        "material": scene.material == "plain",
        "count": scene.subject == "city",
        "backdrop": scene.ground == "studio",
        "saturation": scene.palette == "mono",
        "warmth": scene.palette == "mono",
        "strength": scene.style == "photo",
    }
    return not hidden.get(axis, False)


def _plural(scene: Scene) -> bool:
    return scene.count > 1 and scene.subject != "city"


def _with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _choose(rng: np.random.Generator, weights: dict[str, float], count: int) -> list[str]:
    axes = list(weights)
    p = np.array([weights[axis] for axis in axes]) / sum(weights.values())
    return [str(axis) for axis in rng.choice(axes, size=min(count, len(axes)), replace=False, p=p)]


def _subject(scene: Scene, rng: np.random.Generator) -> Named:
    nouns = lexicon.SUBJECT_NOUNS[scene.subject]
    return "subject", scene.subject, nouns[int(rng.integers(len(nouns)))][_plural(scene)]


def _name(scene: Scene, axis: str, rng: np.random.Generator) -> Named:
    """One axis of the scene by one of its phrases; materials and floating often by an adjective."""
    value = getattr(scene, axis)
    if axis in lexicon.LEVELS:
        value = level(axis, value)
        known: tuple[str, ...] = dict(lexicon.LEVELS[axis])[value]
    elif axis == "count":
        known = lexicon.COUNTS[value]
    elif axis == "floating" and value and rng.random() < 0.6:
        known = FLOATING
    elif axis == "material" and rng.random() < 0.7:
        known = lexicon.MATERIAL_ADJECTIVES[value]
    else:
        known = lexicon.VALUES[axis][value]
    return axis, value, known[int(rng.integers(len(known)))]


def _noun_phrase(scene: Scene, words: dict[str, str], rng: np.random.Generator) -> str:
    """The subject with its number and adjectives, "three floating mossy rocks"."""
    adjectives = [words["floating"]] if words.get("floating") in FLOATING else []
    if words.get("material") in lexicon.MATERIAL_ADJECTIVES[scene.material]:
        adjectives.append(words["material"])
    phrase = " ".join([*adjectives, words["subject"]])
    if "count" in words:
        return f"{words['count']} {phrase}"
    return phrase if _plural(scene) else _with_article(phrase)


def _places(words: dict[str, str]) -> dict[str, str]:
    """The phrases on where it is that can follow the subject without a comma."""
    openings = ("on ", "in ", "with ", "among ", "under ", "above ", "by ", "against ")
    return {axis: words[axis] for axis in ("ground", "backdrop") if words.get(axis, "").startswith(openings)}


def _join(head: str, rest: list[str], rng: np.random.Generator) -> str:
    """Head and further phrases as a list or as two sentences, dropping phrases that pass the word limit."""
    while rest and len(" ".join([head, *rest]).split()) > MAX_WORDS:
        rest = rest[:-1]
    if len(rest) > 3 and rng.random() < 0.3:
        half = len(rest) // 2
        second = ", ".join(rest[half:])
        return f"{', '.join([head, *rest[:half]])}. {second[0].upper()}{second[1:]}."
    return ", ".join([head, *rest])
