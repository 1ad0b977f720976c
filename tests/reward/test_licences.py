"""One table of terms, for people and for checkpoints."""

from reward.licences import LICENCES, licences_of


def test_what_must_not_be_used_commercially_is_marked_as_such():
    closed = {licence.id for licence in LICENCES if licence.commercial is False}
    assert {"black-forest-labs/FLUX.2-dev", "nvidia/llama-embed-nemotron-8b", "PARA"} <= closed
    assert all("no commercial use" in licence.terms for licence in LICENCES if licence.commercial is False)


def test_a_checkpoint_carries_one_line_for_everything_that_went_in():
    lines = licences_of("google/siglip2-base-patch16-224", "nvidia/llama-embed-nemotron-8b", "PARA", "para")
    assert [line.partition(":")[0] for line in lines] == [
        "google/siglip2-base-patch16-224",
        "nvidia/llama-embed-nemotron-8b",
        "PARA",
    ]
    assert "Apache-2.0" in lines[0] and "no commercial use" in lines[1]


def test_an_unknown_model_says_that_its_terms_are_not_known():
    assert licences_of("someone/else") == ("someone/else: terms not known here, see where it came from",)
