"""Sentences about people and images of all three data sets."""

import pytest

from reward.people.descriptions import (
    MetadataVocabulary,
    demographics_sentence,
    demographics_variants,
    metadata_sentence,
)


def test_what_lapis_and_para_know_of_a_person_is_said_in_words():
    lapis = {"age": 34.0, "education": "Master's or equivalent", "art_interest": 4.5, "colour_blind": True}
    assert demographics_sentence(lapis) == (
        "A person, 34 years old, educated to the level of Master's or equivalent, "
        "with high interest in art, colour-blind."
    )
    para = {"age_binned": "18-21", "art_experience": "expert", "photography_experience": "beginner"}
    assert demographics_sentence(para) == (
        "A person, 18-21 years old, expert in art, beginner in photography."
    )  # fmt: skip
    assert demographics_variants({"colour_blind": False}) == []


@pytest.mark.parametrize(
    ("interest", "said"), [(0, "low"), (2.0, "moderate"), (3.9, "moderate"), (6, "high")]
)
def test_interest_in_art_is_one_of_three_levels(interest, said):
    assert demographics_sentence({"art_interest": interest}) == f"A person, with {said} interest in art."


def test_a_photograph_has_no_style_and_says_what_it_is():
    assert metadata_sentence({"type": "Photograph", "group": "night scene"}) == "A photograph, night scene."
    vocabulary = MetadataVocabulary(group=("food",), style=("Baroque", "Cubism"), type=("Art", "Photograph"))
    found = [(c["type"], c["style"]) for c in vocabulary.combinations()]
    assert found == [("Art", "Baroque"), ("Art", "Cubism"), ("Photograph", None)]
    assert vocabulary.queries()[-2:] == ["an artwork", "a photograph"]
