"""What someone says of their taste is kept apart from their ratings, dated, and taken back step by step."""

from __future__ import annotations

import json
import stat
import threading

import pytest

from steer.errors import TasteError
from steer.profiles import Profiles
from steer.profiles.corrections import FILE, MOST, Change, Corrections


@pytest.fixture
def corrections(tmp_path):
    return Profiles(tmp_path).create("me").corrections


def words(corrections: Corrections) -> list[str]:
    return [str(one) for one in corrections.in_force]


def test_the_last_that_was_said_of_a_phrase_is_in_force(corrections):
    corrections.say(Change("never", "neon"), Change("always", " soft  fog "))
    corrections.say(Change("always", "Neon"))
    assert words(corrections) == ["always soft fog", "always Neon"]
    corrections.say(Change("clear", "soft fog"))
    assert words(corrections) == ["always Neon"]


def test_a_step_is_undone_as_one_and_the_undo_is_recorded(corrections):
    corrections.say(Change("never", "neon"))
    corrections.say(Change("strike", "sepia"), Change("pin", "golden hour", True))
    assert corrections.last_step.words == ("strike sepia", "pin golden hour")
    assert corrections.undo() == ("strike sepia", "pin golden hour")
    assert words(corrections) == ["never neon"]
    assert corrections.undo() == ("never neon",) and corrections.undo() == ()
    lines = [json.loads(line) for line in (corrections.folder / FILE).read_text().splitlines()]
    assert [line["event"] for line in lines] == ["corrected", "corrected", "undo", "undo"]
    assert all(line["t"] > 1e9 for line in lines)


def test_ten_corrections_can_all_be_undone(corrections):
    for number in range(10):
        corrections.say(Change("always", f"look {number}"))
    for left in range(9, -1, -1):
        assert corrections.undo() and len(corrections.in_force) == left


def test_saying_it_twice_and_a_late_undo_do_no_harm(corrections):
    corrections.say(Change("never", "neon"))
    first = corrections.last_step.id
    corrections.say(Change("never", "neon"))
    assert corrections.last_step.id == first
    corrections.say(Change("clear", "nothing of the kind"))
    corrections.say(Change("never", "fog"))
    assert corrections.undo(first) == () and words(corrections) == ["never neon", "never fog"]


def test_only_the_owner_can_read_them_and_the_state_of_the_ratings_stays(corrections, tmp_path):
    before = Profiles(tmp_path).open("me").hash
    corrections.say(Change("never", "neon"))
    assert stat.S_IMODE((corrections.folder / FILE).stat().st_mode) == 0o600
    assert Profiles(tmp_path).open("me").hash == before


def test_damaged_lines_cost_themselves_and_nothing_else(corrections):
    corrections.say(Change("never", "neon"))
    with (corrections.folder / FILE).open("ab") as log:
        log.write(
            b'{"event": "corrected", "id": "9", "t": 1, "corrections": [{"verb": "never"}]}\nhalf\n{"ev'
        )
    assert words(corrections) == ["never neon"] and corrections.unreadable == 2
    corrections.say(Change("never", "fog"))
    assert words(corrections) == ["never neon", "never fog"]


def test_of_several_writers_none_is_lost(corrections):
    def write(number: int) -> None:
        Corrections(corrections.folder).say(Change("never", f"look {number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(words(corrections)) == [f"never look {number}" for number in range(8)]


def test_what_makes_no_sense_is_refused_whole(corrections):
    corrections.say(Change("never", "neon"))
    with pytest.raises(TasteError, match="contradicts"):
        corrections.say(Change("never", "fog"), Change("always", "neon glow"))
    assert words(corrections) == ["never neon"]
    with pytest.raises(TasteError, match=f"at most {MOST}"):
        corrections.say(*(Change("always", f"look {number}") for number in range(MOST)))
