"""A taste as text that its owner edits: one line a phrase, and what was changed read back from it."""

from __future__ import annotations

from datetime import datetime

from steer.errors import TasteError
from steer.gates.text import normalize
from steer.profiles.corrections import Change
from steer.profiles.taste import Held, ReadableTaste
from steer.taste import clean_phrase

Row = tuple[str, str]  # word and phrase
_OWN = ("always", "never", "pin", "strike")
_THOUGHT = ("likes", "avoids")
_HEAD = """\
# What profile {name} seems to like and to avoid, from {ratings}. What follows a # is not read.
#
#   always soft fog     in your own words: you want it
#   never neon          in your own words: nothing that says it is rendered
#   pin golden hour     what is thought is right, whatever later ratings say
#   strike sepia        what is thought is wrong, and is not used
#
# Change the word before a phrase, or add lines. A line of yours that you take away is taken back; one of what
# is thought that you take away is struck. A file without any line changes nothing.
"""


def to_text(taste: ReadableTaste, name: str, ratings: int) -> str:
    """The whole taste, a line a phrase."""
    count = f"{ratings} {'rating' if ratings == 1 else 'ratings'}"
    rows = [(_word(held), held) for held in taste.all]
    width = max((len(f"{word} {held.phrase}") for word, held in rows), default=0)
    lines = [f"{f'{word} {held.phrase}':<{width}}  # {about(held)}" for word, held in rows]
    return _HEAD.format(name=name, ratings=count) + "\n" + "".join(f"{line}\n" for line in lines)


def about(held: Held) -> str:
    """What is known of one liking, in words."""
    found = []
    said = held.correction
    if said is not None:
        found.append({"pin": "pinned", "strike": "struck"}.get(said.verb, "your words") + f" {date(said.t)}")
    if held.own is not None and held.sure is not None:
        side = "" if said is None or said.verb == "pin" else "predicted "
        found.append(f"{side}{held.own:+.2f} points against everyone’s".replace("-", "−"))
        found.append(f"{_percent(held.sure)} sure" if said is None or said.verb == "pin" else "")
    elif said is not None:
        found.append("nothing is predicted of it")
    if held.since is not None:
        found.append(f"since rating {held.since.id} ({date(held.since.t)})")
    return ", ".join(filter(None, found))


def date(t: float) -> str:
    """A day, as in "3 Nov 2026"."""
    moment = datetime.fromtimestamp(t)
    return f"{moment.day} {moment:%b %Y}"


def _percent(sure: float) -> str:
    return "over 99%" if sure > 0.99 else f"{100 * sure:.0f}%"


def changes(before: str, after: str, taste: ReadableTaste) -> list[Change]:
    """What was changed from one text to the other. Raises `TasteError`, naming every line that is wrong."""
    given, _ = _rows(before)
    edited, wrong = _rows(after)
    if not edited and not wrong:
        return []
    found = []
    for key, (line, (word, phrase)) in edited.items():
        had = given.get(key, (0, ("", "")))[1][0]
        if word == had:
            continue
        try:
            if word in _OWN:
                found.append(taste.change(word, phrase))
            elif had in ("pin", "strike") and word == _thought(taste, key):
                found.append(taste.change("clear", phrase))
            else:
                said = "always" if word == "likes" else "never"
                wrong.append(f'line {line}: "{word} {phrase}" is not what is thought; write: {said} {phrase}')
        except TasteError as error:
            wrong.append(f"line {line}: {error}")
    for key, (_, (word, phrase)) in given.items():
        if key not in edited:
            found.append(taste.change("strike" if word in _THOUGHT else "clear", phrase))
    if wrong:
        raise TasteError("; ".join(wrong))
    return found


def _word(held: Held) -> str:
    if held.correction is not None:
        return held.correction.verb
    return "likes" if held.likes else "avoids"


def _thought(taste: ReadableTaste, key: str) -> str:
    own = next((one.own for one in taste.taste.likings if normalize(one.phrase) == key), 0.0)
    return "likes" if own > 0 else "avoids" if own < 0 else ""


def _rows(text: str) -> tuple[dict[str, tuple[int, Row]], list[str]]:
    """Key of a phrase -> number of its line, word and phrase; and what is wrong with other lines."""
    found: dict[str, tuple[int, Row]] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        word, _, phrase = line.partition("#")[0].strip().partition(" ")
        if not word:
            continue
        word = word.casefold().rstrip(":")
        if word not in (*_OWN, *_THOUGHT):
            wrong.append(f"line {number}: {word[:20]!r} is none of {', '.join(_OWN)}")
            continue
        try:
            phrase = clean_phrase(phrase)
        except TasteError as error:
            wrong.append(f"line {number}: {error}")
            continue
        key = normalize(phrase)
        if key in found and found[key][1][0] != word:
            wrong.append(f"line {number}: of {phrase!r} line {found[key][0]} says something else")
        found[key] = number, (word, phrase)
    return found, wrong
