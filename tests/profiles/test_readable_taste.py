"""A taste can be read, with its reasons, and written back as text."""

from __future__ import annotations

import pytest
from panel import Panel
from rate_app import make_pictures

from steer.errors import TasteError, UsageError
from steer.profiles import Profiles
from steer.profiles.corrections import Change
from steer.profiles.taste import readable
from steer.profiles.taste_text import about, changes, to_text

PANEL = Panel()


@pytest.fixture(scope="module")
def me(tmp_path_factory):
    profile = Profiles(tmp_path_factory.mktemp("profiles")).create("me")
    pictures = sorted(make_pictures(tmp_path_factory.mktemp("pictures"), 16).iterdir())
    for number, path in enumerate(pictures):
        profile.rate(path, 1 + 4 * (number * 7 % 16) / 15, prompt="a landscape", source="test")
    return profile


@pytest.fixture
def read(me):
    def again():
        return me.taste(PANEL)

    yield again
    while me.corrections.undo():
        pass


def edited(taste, *lines: str, without: str = "") -> list[Change]:
    text = to_text(taste, "me", 16)
    kept = [line for line in text.splitlines() if not without or without not in line]
    return changes(text, "\n".join([*kept, *lines]), taste)


def test_each_liking_says_how_sure_since_when_and_by_what(read, me):
    taste = read()
    assert taste.likes and taste.avoids and not taste.struck
    for held in taste.all:
        assert 0.8 < held.sure <= 1 and held.since is not None and len(held.pictures) == 3
        assert "sure" in about(held) and f"since rating {held.since.id}" in about(held)
        assert (held.own > 0) is held.likes


def test_a_participants_taste_is_read_without_a_past(read):
    taste = readable(PANEL, PANEL.person("3"))
    assert taste.likes and all(held.since is None and not held.pictures for held in taste.all)
    with pytest.raises(UsageError, match="can tell no taste"):
        readable(object(), PANEL.person("3"))


def test_what_the_owner_says_goes_first(read, me):
    first = read().likes[0].phrase
    me.corrections.say(Change("always", "soft fog"), Change("never", "neon"), read().change("strike", first))
    taste = read()
    assert taste.likes[0].phrase == "soft fog" and taste.avoids[0].phrase == "neon"
    assert [held.phrase for held in taste.struck] == [first]
    assert first not in [held.phrase for held in taste.likes]


def test_an_untouched_text_changes_nothing_and_an_empty_one_neither(read):
    taste = read()
    assert edited(taste) == [] and changes(to_text(taste, "me", 16), "\n# nothing\n", taste) == []


def test_lines_become_corrections(read):
    taste = read()
    liked, avoided = taste.likes[0].phrase, taste.avoids[0].phrase
    text = to_text(taste, "me", 16)
    after = text.replace(f"likes {liked} ", f"pin {liked} ").replace(
        f"avoids {avoided} ", f"Strike: {avoided} "
    )
    found = changes(text, f"{after}\nnever neon # too loud\n", taste)
    assert set(found) == {Change("pin", liked, True), Change("strike", avoided), Change("never", "neon")}


def test_a_line_that_is_taken_away_is_struck_or_taken_back(read, me):
    liked = read().likes[0].phrase
    assert edited(read(), without=f"likes {liked}") == [Change("strike", liked)]
    me.corrections.say(Change("never", "neon"), read().change("pin", liked))
    assert edited(read(), without="never neon ") == [Change("clear", "neon")]
    assert edited(read(), f"likes {liked}", without=f"pin {liked}") == [Change("clear", liked)]


def test_every_line_that_cannot_be_understood_is_named(read):
    taste = read()
    with pytest.raises(TasteError) as caught:
        edited(taste, "sometimes fog", "never", "likes fog of my own", "strike nothing of the kind")
    for part in (
        "'sometimes' is none of always, never",
        "a phrase is missing",
        "always fog of my own",
        "--always",
    ):
        assert part in str(caught.value)
    with pytest.raises(TasteError, match="says something else"):
        edited(taste, "never dust", "always dust")
