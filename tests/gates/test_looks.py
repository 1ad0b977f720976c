"""The bank of looks: what is drawn from it, and what is said of one that cannot be used."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from steer.errors import ProposerError
from steer.gates.looks import draw_looks, looks, read_looks, with_look
from steer.gates.text import TextGate

BASE = "floating mossy rocks"


def test_the_bank_has_ten_phrases_and_more_for_each_of_ten_aspects_none_twice():
    bank = looks()
    phrases = [phrase for section in bank.values() for phrase in section]
    assert len(bank) >= 10 and all(10 <= len(section) <= 14 for section in bank.values())
    assert len(set(phrases)) == len(phrases)
    assert {"light", "palette", "medium", "view", "lens", "mood", "era"} <= set(bank)


def test_every_phrase_of_the_bank_passes_the_text_gate_after_a_prompt():
    assert not [
        phrase
        for section in looks().values()
        for phrase in section
        if TextGate(BASE).reject(with_look(BASE, [phrase]), set()) is not None
    ]


def test_looks_are_all_different_name_no_section_twice_and_use_all_sections_about_equally():
    bank = looks()
    drawn = draw_looks(bank, 60, random.Random(0))
    of = {phrase: section for section, phrases in bank.items() for phrase in phrases}
    assert len({frozenset(look) for look in drawn}) == len(drawn) == 60
    assert all(2 <= len(look) == len({of[phrase] for phrase in look}) <= 4 for look in drawn)
    used = Counter(of[phrase] for look in drawn for phrase in look)
    assert len(used) == len(bank) and max(used.values()) - min(used.values()) <= 1
    assert drawn == draw_looks(bank, 60, random.Random(0)) != draw_looks(bank, 60, random.Random(1))


def test_a_small_bank_gives_what_it_has():
    bank = read_looks("[a]\none\ntwo\n[b]\nthree\nfour")
    assert len(draw_looks(bank, 9, random.Random(0), sizes=(2,))) == 4


def test_a_look_follows_the_prompt_after_a_comma():
    assert with_look("a wooden boat.", ["backlit", "sepia"]) == "a wooden boat, backlit, sepia"
    assert with_look("...", ["sepia"]) == "..., sepia"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "two sections"),
        ("[light]\na\nb", "two sections"),
        ("[light]\na\nb\n[mood]\nc\nc", "two in each"),
        ("# the bank\nsepia\n[light]\na\nb\n[mood]\nc\nd", "'sepia' stands in no section"),
    ],
)
def test_a_bank_that_cannot_be_used_says_why(text, message):
    with pytest.raises(ProposerError, match=r"prompts/looks\.txt") as error:
        read_looks(text)
    assert message in str(error.value)
