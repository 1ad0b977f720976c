"""A server that somebody else started gives the GPU back while pictures are made, if it is one that can."""

from __future__ import annotations

import pytest
from fake_llm import FakeLlm, answer

from steer.parts import Scored
from steer.proposer.address import on_this_machine
from steer.proposer.server import ServerProposer

MODEL = "org/Big-8B-Instruct"


@pytest.fixture
def llm():
    with FakeLlm() as fake:
        yield fake


def rested(llm, url=None):
    """What a proposer notes after it was told to rest."""
    part = ServerProposer(url or llm.url)
    part.check()
    part.rest()
    part.rest()
    notes = part.notes()
    part.close()
    return notes


def test_ollama_is_asked_to_unload_and_says_nothing_twice(llm):
    llm.gets["/api/version"] = answer({"version": "0.14.1"})
    llm.reply = lambda path, body: answer({"done": True, "done_reason": "unload"})
    [note] = rested(llm)
    assert f"Ollama unloads {MODEL} while pictures are made" in note
    assert llm.paths == ["/api/generate"] * 2 and llm.asked[0] == {"model": MODEL, "keep_alive": 0}


def test_lm_studio_unloads_every_instance_of_the_model_and_no_other(llm):
    llm.gets["/api/version"] = answer({"error": "Unexpected endpoint or method."})
    entries = [
        {"key": "other", "loaded_instances": [{"id": "other"}]},
        {"key": MODEL, "loaded_instances": [{"id": MODEL}, {"id": f"{MODEL}:2"}]},
    ]
    llm.gets["/api/v1/models"] = answer({"models": entries})
    llm.reply = lambda path, body: answer({"instance_id": body["instance_id"]})
    [note] = rested(llm)
    assert note.startswith("LM Studio unloads")
    assert [body["instance_id"] for body in llm.asked[:2]] == [MODEL, f"{MODEL}:2"]
    assert set(llm.paths) == {"/api/v1/models/unload"}


def test_a_vllm_of_somebody_elses_is_left_alone_and_that_is_said(llm):
    assert rested(llm) == ["the language model's server keeps what it has of the GPU while pictures are made"]
    assert llm.paths == []


def test_it_goes_on_when_it_is_asked_after_a_rest(llm):
    part = ServerProposer(llm.url)
    part.check()
    part.rest()
    assert part.propose("mossy rocks", [Scored("mossy rocks", 3.0)], 2, 0)
    part.close()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("localhost:1234", True),
        ("http://[::1]:8000/v1", True),
        ("http://gpu.lan:8000/v1", False),
        ("https://127.0.0.1.example.org/v1", False),
        ("http://[broken", False),
    ],
)
def test_only_servers_of_this_machine_share_its_gpu(url, here):
    assert on_this_machine(url) is here
