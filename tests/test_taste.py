"""A taste in words says what is predicted and what its owner says, each as what it is."""

from __future__ import annotations

import pytest

from steer.errors import TasteError
from steer.gates.text import TextGate, says
from steer.taste import Correction, Liking, Taste, check_sense, clean_phrase

LIKINGS = (
    Liking("golden hour", 0.5, 0.4, 0.05),
    Liking("sepia", -0.5, -0.4, 0.05),
    Liking("low angle", 0.1, 0.1, 0.09),
)


def corrected(*said: Correction) -> Taste:
    return Taste(LIKINGS, said)


def test_without_corrections_what_is_sure_is_told():
    assert Taste(LIKINGS).lines == ["likes golden hour", "avoids sepia"]
    assert not Taste(LIKINGS).wishes


def test_own_words_are_told_first_and_weigh_as_much_as_the_strongest_liking():
    taste = corrected(Correction("always", "soft fog"), Correction("never", "neon"))
    assert taste.lines[:2] == ["always wants soft fog", "never wants neon"]
    assert taste.wishes == {"soft fog": 1, "neon": -1}
    assert taste.weights["soft fog"] == 0.5 and taste.weights["neon"] == -0.5
    assert "soft fog" not in taste.strengths, "what is predicted of a picture stays the predictor's"


def test_what_is_struck_is_neither_told_nor_used():
    taste = corrected(Correction("strike", "Golden  hour"))
    assert taste.lines == ["avoids sepia"]
    assert taste.strengths["golden hour"] == 0.0 == taste.weights["golden hour"]


def test_what_is_pinned_is_told_however_unsure_and_stays_on_its_side():
    assert corrected(Correction("pin", "low angle", True)).lines[0] == "likes golden hour, low angle"
    turned = Taste((Liking("low angle", -0.3, -0.3, 0.01),), (Correction("pin", "low angle", True),))
    assert turned.lines == ["likes low angle"] and turned.wishes == {"low angle": 1}


def test_what_is_pinned_is_told_where_there_are_many_stronger_likings():
    strong = tuple(Liking(f"look {i}", 0.5, 0.5 - i / 100, 0.01) for i in range(9))
    taste = Taste((*strong, Liking("low angle", 0.1, 0.1, 0.2)), (Correction("pin", "low angle", True),))
    assert taste.lines == ["likes look 0, look 1, look 2, look 3, look 4, low angle"]


def test_a_taste_goes_through_a_record_unchanged():
    taste = corrected(Correction("pin", "sepia", False, 3.5), Correction("never", "neon", t=4.0))
    rows = [one.to_json() for one in taste.corrections]
    assert Taste.from_json(taste.to_json(), rows) == taste


@pytest.mark.parametrize(
    ("text", "phrase", "said"),
    [
        ("pink neon glow", "neon", True),
        ("neon-lit street", "neon", True),
        ("soft and foggy air", "soft fog", True),
        ("soft light, thick fog", "soft fog", False),
        ("a party", "art", False),
        ("霓虹灯光", "霓虹", True),
        ("golden hour", "the", False),
    ],
)
def test_a_phrase_is_said_in_any_form_within_one_stretch(text, phrase, said):
    assert says(text, phrase) is said


def test_the_text_gate_keeps_what_is_never_wanted_and_says_why():
    gate = TextGate("a street at night", never=("neon",))
    assert gate.reject("a street at night, pink neon glow") == 'says "neon", which this person never wants'
    assert gate.reject("a street at night, golden hour") is None


def test_what_the_prompt_itself_asks_for_is_not_held_against_a_rewrite():
    gate = TextGate("a neon sign", never=("neon",))
    assert gate.reject("a neon sign, golden hour") is None
    assert gate.reject("a glowing neon sign, golden hour") is None
    assert "never wants" in (gate.reject("a neon sign, neon glow") or "")


@pytest.mark.parametrize("text", ["", " # ", "a, b", "x" * 61, "fog\x07", "no#comment"])
def test_what_cannot_follow_a_prompt_is_no_phrase(text):
    with pytest.raises(TasteError):
        clean_phrase(text)


def test_an_always_that_says_a_never_makes_no_sense():
    neon, glow = Correction("never", "neon"), Correction("always", "neon glow")
    for new, other in ((neon, glow), (glow, neon)):
        with pytest.raises(TasteError, match="contradicts"):
            check_sense(new, [other])
    check_sense(Correction("always", "neon"), [neon])  # of the same phrase the last counts
