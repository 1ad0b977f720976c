"""Language models on a server, good and bad, over a real socket; and what each fault says."""

import gzip
import json
import socket
import threading
import time
from contextlib import nullcontext

import pytest
from fake_llm import FakeLlm, answer, chat, completions, error, prompts_of
from fakes import FakePerson, fake_parts

from steer import Settings, resume, steer
from steer.errors import ProposerError, ServerDown, SettingsError, UsageError
from steer.gates.replies import parse
from steer.machine.overrides import Overrides
from steer.parts import Scored
from steer.proposer import client as client_module
from steer.proposer.client import Client, base_url
from steer.proposer.server import ServerProposer, billions
from steer.wire import without_secret

PROMPT = "floating mossy rocks"
MEMORY = [Scored(PROMPT, 3.0, "r00c00")]


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """No pauses between the attempts, and no key of the machine's own."""
    monkeypatch.delenv("STEER_LLM_API_KEY", raising=False)
    monkeypatch.setattr(client_module.time, "sleep", lambda seconds: None)


@pytest.fixture
def llm():
    with FakeLlm() as fake:
        yield fake


@pytest.fixture
def connect(llm):
    opened = []

    def connect(model=None, **more):
        opened.append(ServerProposer(llm.url, model, **more))
        return opened[-1]

    yield connect
    for proposer in opened:
        proposer.close()


def ask(proposer, n=3, seed=7):
    return proposer.propose(PROMPT, MEMORY, n, seed)


def fails(proposer, pattern, kind=ProposerError, n=3):
    with pytest.raises(kind, match=pattern) as caught:
        ask(proposer, n)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is asked


def test_a_list_is_one_request_with_the_papers_template_and_a_schema(llm, connect):
    replies = ask(connect(), n=20)
    assert [len(parse(reply)) for reply in replies] == [20]
    [body] = llm.asked
    assert body["model"] == "org/Big-8B-Instruct"
    assert body["seed"] == 7
    assert body["messages"][0]["content"].startswith("You are an expert at writing prompts")
    assert "3.000: floating mossy rocks" in body["messages"][0]["content"]
    assert "Generate 20 new prompt variations" in body["messages"][0]["content"]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["prompts"]["maxItems"] == 20
    assert "n" not in body


def test_a_fanout_is_one_request_for_one_prompt_n_times(llm, connect):
    replies = ask(connect(mode="fanout"), n=20)
    assert len(replies) == 20
    [body] = llm.asked
    assert body["n"] == 20
    assert "Generate 1 new prompt variations" in body["messages"][0]["content"]


def test_few_shot_asks_for_short_phrases_after_worked_examples(llm, connect):
    llm.reply = lambda path, body: completions(*(f" soft light {i}" for i in range(body.get("n", 1))))
    replies = ask(connect(mode="few-shot"), n=5)
    assert set(llm.paths) == {"/v1/completions"}
    assert len(replies) == 5
    assert all(reply.startswith("1. floating mossy rocks, soft light") for reply in replies)
    assert all(body["prompt"].endswith("floating mossy rocks ->") for body in llm.asked)
    assert sum(body.get("n", 1) for body in llm.asked) == 15  # three phrases each
    # Two requests for the same text and seed would be the same sample.
    assert len({(body["prompt"], body["seed"]) for body in llm.asked}) == len(llm.asked)
    assert len({body["prompt"] for body in llm.asked}) == len(llm.asked)


def test_a_phrase_that_ran_out_of_tokens_is_left_out(llm, connect):
    llm.reply = lambda path, body: completions(*[" soft light and"] * body.get("n", 1), finish="length")
    assert ask(connect(mode="few-shot"), n=2) == ["1. floating mossy rocks"] * 2


@pytest.mark.parametrize("mode", ["list", "fanout"])
def test_the_same_seed_asks_for_the_same_and_another_for_something_else(llm, connect, mode):
    proposer = connect(mode=mode)
    assert ask(proposer, seed=7) == ask(proposer, seed=7)
    assert ask(proposer, seed=7) != ask(proposer, seed=8)


def test_replies_come_back_exactly_as_the_model_gave_them(llm, connect):
    raw = "Sure!  Here are 2:\n\n1. a **fox**\n2. an owl\n"
    llm.reply = lambda path, body: chat(raw)
    assert ask(connect()) == [raw]


def test_the_reply_is_bounded_by_what_the_context_leaves(llm, connect):
    llm.models = answer({"data": [{"id": "m", "max_model_len": 1000}]})
    ask(connect(), n=20)
    assert 100 <= llm.asked[0]["max_tokens"] < 1000


def test_a_small_model_is_recognized_by_its_name():
    assert billions("HuggingFaceTB/SmolLM2-135M-Instruct") == 0.135
    assert billions("qwen2.5:0.5b") == 0.5
    assert billions("meta-llama/Llama-3.1-8B-Instruct") == 8
    assert billions("gpt-whatever") == float("inf")


def test_a_small_model_gets_worked_examples_and_a_big_one_the_instruction(connect):
    assert connect("smollm2:135m").mode == "few-shot"
    assert connect("Llama-3.1-8B-Instruct").mode == "list"
    assert connect("smollm2:135m", mode="list").mode == "list"


def test_the_key_is_sent_and_never_shown(llm, connect, monkeypatch):
    monkeypatch.setenv("STEER_LLM_API_KEY", "secret-7")
    proposer = connect()
    proposer.check()
    assert llm.keys == ["Bearer secret-7"]
    assert "secret-7" not in proposer.name + proposer.model + repr(vars(proposer))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://host/v1/", "http://host/v1"),
        ("https://host/api/v1/chat/completions", "https://host/api/v1"),
        ("https://host/v1beta/openai", "https://host/v1beta/openai"),
    ],
)
def test_an_address_is_taken_however_it_is_written(given, used):
    assert base_url(given) == used


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://me:secret@host", "http://host:port"])
def test_an_address_that_is_none_is_refused_with_an_example(url):
    with pytest.raises(UsageError, match=r"--llm-url .*http://127\.0\.0\.1:8000/v1"):
        base_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@host/v1", "http://…@host/v1"),
        ("me:secret@host", "…@host"),
        ("http:/me:secret@host", "http:/…@host"),
        ("http://me:se/cret@host", "http://…@host"),
        ("http://me:se?cret@host", "http://…@"),
        ("http://me:se@cret@host", "http://…@host"),
        ("https://host/v1?key=secret", "https://host/v1"),
        ("https://host/v1#secret", "https://host/v1"),
        ("http://host:8000/v1", "http://host:8000/v1"),
    ],
)
def test_an_address_is_shown_without_its_secret(url, shown):
    assert without_secret(url) == shown
    for take in (base_url, lambda url: Overrides(llm_url=url)):
        with pytest.raises(UsageError) if shown != url else nullcontext() as caught:
            take(url)
        assert "cret" not in str(caught and caught.value)


def test_an_unknown_mode_is_refused(connect):
    with pytest.raises(SettingsError, match=r"--llm-mode .* auto, list, fanout, few-shot"):
        connect(mode="poetry")


# --- servers that know less


@pytest.mark.parametrize(
    "layout", ["1. {}\n2. {}", "- {}\n- {}", '["{}", "{}"]', 'Sure:\n{{"a": ["{}", "{}"]}}']
)
def test_a_server_that_ignores_the_schema_is_read_all_the_same(llm, connect, layout):
    llm.reply = lambda path, body: chat(layout.format("a fox, at dusk", "an owl"))
    assert parse(ask(connect())[0]) == ["a fox, at dusk", "an owl"]


@pytest.mark.parametrize(
    "complaint",
    [
        error(400, "Unsupported parameter", param="response_format"),
        error(400, "response_format json_schema is not supported"),
        error(422, "grammar could not be compiled"),
    ],
)
def test_a_server_that_refuses_schemas_is_asked_without_from_then_on(llm, connect, complaint):
    llm.reply = lambda path, body: complaint if "response_format" in body else chat("1. a fox\n2. an owl")
    proposer = connect()
    assert ask(proposer) == ask(proposer)
    assert ["response_format" in body for body in llm.asked] == [True, False, False]
    assert len(proposer.notes()) == 1
    assert proposer.notes() == []


def test_a_server_with_another_name_for_the_token_limit_is_asked_without(llm, connect):
    complaint = error(400, "'max_tokens' is not supported, use 'max_completion_tokens'", param="max_tokens")
    llm.reply = lambda path, body: complaint if "max_tokens" in body else prompts_of(body)
    assert len(parse(ask(connect())[0])) == 3


@pytest.mark.parametrize("refuse", [True, False])
def test_a_server_that_gives_one_reply_at_a_time_is_asked_n_times(llm, connect, refuse):
    def reply(path, body):
        if refuse and "n" in body:
            return error(400, "n must be 1")
        return prompts_of({**body, "n": 1})

    llm.reply = reply
    proposer = connect(mode="fanout")
    assert len({*ask(proposer, n=5)}) == 5
    before = len(llm.asked)
    assert len({*ask(proposer, n=5)}) == 5
    assert len(llm.asked) == before + 5
    assert proposer.notes() == []


def test_a_server_without_a_list_of_models_serves_the_one_that_is_named(llm, connect):
    llm.models = error(404, "Not Found")
    proposer = connect("mine")
    proposer.check()
    assert len(ask(proposer)) == 1


# --- faults: one line each, with what to do


def test_a_server_that_is_down_is_named_with_the_command_that_starts_one(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        proposer = ServerProposer(f"http://127.0.0.1:{port}")
        message = fails(proposer, r"no server answers at http://127\.0\.0\.1", ServerDown)
        assert "vllm serve" in message
        assert "--llm-url" in message
        proposer.close()


@pytest.mark.parametrize("path", ["models", "chat"])
def test_a_web_page_is_no_api(llm, connect, path):
    page = answer("<!doctype html><title>Welcome to nginx!</title>")
    if path == "models":
        llm.models = page
    else:
        llm.reply = lambda path, body: page
    assert "--llm-url http" in fails(connect(), "is a web page")


@pytest.mark.parametrize("body", ["hello", "[1, 2]", '{"choices": ['])
def test_an_answer_that_is_no_json_object_says_what_it_is(llm, connect, body):
    llm.reply = lambda path, _: (200, {"content-type": "text/plain"}, body.encode())
    assert "--llm-url" in fails(connect(), "something else than JSON")


def test_an_answer_without_end_is_one_clear_line(llm, connect):
    llm.reply = lambda path, body: chat("a" * 11_000_000)
    assert "--llm-url" in fails(connect(), "more than 10 MB")
    assert len(llm.asked) == 1


def test_a_packed_answer_is_unpacked_only_so_far(llm, connect):
    headers = {"content-encoding": "gzip"}
    whole = json.dumps({"choices": [{"message": {"content": "1. a fox\n2. an owl"}}]}).encode()
    for body, problem in (
        (whole, None),
        (b" " * 20_000_000 + whole, "more than 10 MB"),
    ):
        llm.reply = lambda path, _, body=body: (200, headers, gzip.compress(body, 1))
        if problem is None:
            assert parse(ask(connect())[0]) == ["a fox", "an owl"]
        else:
            fails(connect(), problem)
    llm.reply = lambda path, _: (200, headers, b"no gzip at all")
    fails(connect(), "damaged answers")
    llm.reply = lambda path, _: (200, {"content-encoding": "gzip, gzip"}, b"x")
    fails(connect(), "packs its answers")


@pytest.mark.parametrize(
    "deep", ["[" * 100_000, '{"data":' * 100_000, '{"data": ' + "[" * 900 + "]" * 900 + "}"]
)
def test_json_however_deep_is_one_clear_line(llm, connect, deep):
    llm.models = (200, {"content-type": "application/json"}, deep.encode())
    fails(connect(), "--llm-url|no model loaded")
    llm.models = (400, {"content-type": "application/json"}, deep.encode())
    fails(connect(), "refuses the request")


@pytest.mark.parametrize(
    "choices",
    [7, {"a": 1}, [7], [{"message": 7}], [{"message": {"content": {"a": 1}}}], [{"text": [[]]}]],
)
def test_an_answer_of_another_shape_holds_no_prompt(llm, connect, choices):
    llm.reply = lambda path, body: answer({"choices": choices})
    assert "--llm" in fails(connect(), "without any text|no prompt")


def test_what_a_server_says_cannot_steer_the_terminal(llm, connect):
    llm.models = error(400, "no\x1b[2J such\x07 thing")
    assert "no [2J such thing" in fails(connect(), "refuses the request")


def test_of_a_reply_that_was_cut_off_the_whole_prompts_are_used_and_it_is_noted(llm, connect):
    whole = json.dumps({"prompts": ["a fox, at dusk", "an owl", "a cat"]})
    llm.reply = lambda path, body: chat(whole[:-8], finish="length")
    proposer = connect()
    assert parse(ask(proposer)[0]) == ["a fox, at dusk", "an owl"]
    [note] = proposer.notes()
    assert "cut off" in note
    assert "2 of 3" in note
    assert "--llm-mode fanout" in note


def test_a_reply_that_was_cut_off_before_the_first_prompt_ended_is_an_error(llm, connect):
    llm.reply = lambda path, body: chat('{"prompts": ["a fox, at du', finish="length")
    assert "--llm-mode fanout" in fails(connect(), "cut off before one prompt was whole")
    assert llm.asked[0]["seed"] != llm.asked[1]["seed"]  # another seed may have helped


def test_twenty_identical_proposals_are_noted_once_with_a_remedy(llm, connect):
    llm.reply = lambda path, body: chat(*['{"prompts": ["a fox"]}'] * body["n"])
    proposer = connect(mode="fanout")
    assert len(ask(proposer, n=20)) == 20
    assert ask(proposer, n=20)
    [note] = proposer.notes()
    assert "1 of 20 prompts are different" in note
    assert "--llm-mode list" in note


@pytest.mark.parametrize(
    "refusal",
    [
        chat("I'm sorry, but I can't help with that."),
        chat("I cannot create prompts of this kind."),
        chat(None, refusal="This is against our policy."),
        chat("", finish="content_filter"),
    ],
)
def test_a_refusal_is_quoted_with_what_to_do(llm, connect, refusal):
    llm.reply = lambda path, body: refusal
    message = fails(connect(), "refuses")
    assert "reword the prompt" in message
    assert "--llm" in message


def test_a_model_that_refuses_once_is_asked_once_more(llm, connect):
    llm.reply = lambda path, body: chat("I'm sorry, I can't.") if len(llm.asked) == 1 else prompts_of(body)
    replies = ask(connect())
    assert replies[0] == "I'm sorry, I can't."  # logged all the same
    assert len(parse(replies[1])) == 3


@pytest.mark.parametrize("empty", [chat(""), chat(None), chat("1.\n2.\n3.")])
def test_a_model_that_says_nothing_is_an_error(llm, connect, empty):
    llm.reply = lambda path, body: empty
    assert "--llm" in fails(connect(), "gave no prompt, twice")


def test_an_answer_without_choices_is_an_error(llm, connect):
    llm.reply = lambda path, body: answer({"choices": []})
    assert "--llm" in fails(connect(), "without any text")


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_names_the_variable(llm, connect, status):
    llm.models = error(status, "Incorrect API key provided")
    assert "export STEER_LLM_API_KEY=" in fails(connect(), "Incorrect API key")


def test_a_model_that_the_server_lacks_is_answered_with_those_that_it_has(llm, connect):
    assert "org/Big-8B-Instruct" in fails(connect("org/Other"), "has no model 'org/Other'.*--llm")


def test_a_model_that_is_unloaded_midway_is_answered_with_those_that_are_left(llm, connect):
    proposer = connect("org/Big-8B-Instruct")
    ask(proposer)
    llm.models = answer({"data": [{"id": "small"}]})
    llm.reply = lambda path, body: error(404, "The model does not exist")
    assert "--llm: small" in fails(proposer, "has no model 'org/Big-8B-Instruct'")


def test_of_several_models_one_must_be_chosen(llm, connect):
    llm.models = answer({"data": [{"id": f"model-{i}"} for i in range(40)]})
    message = fails(connect(), "several models: choose one with --llm: model-0, model-1")
    assert len(message) < 300


def test_a_server_without_models_says_so(llm, connect):
    llm.models = answer({"data": []})
    fails(connect(), "no model loaded")


def test_a_server_without_completions_is_asked_in_another_mode(llm, connect):
    llm.reply = lambda path, body: answer({"detail": "Not Found"}, 404)
    assert "--llm-mode list" in fails(connect(mode="few-shot"), "/completions")


def test_a_request_that_the_server_does_not_take_quotes_its_reason(llm, connect):
    llm.reply = lambda path, body: error(400, "the prompt is too long")
    assert "--llm" in fails(connect(), "the prompt is too long")


def test_one_failure_among_many_requests_is_told_without_waiting_for_the_others(llm, connect):
    release = threading.Event()

    def reply(path, body):
        if "n" in body:
            return error(400, "n must be 1")
        if body["seed"] == 9:
            return error(400, "the prompt is too long")
        if body["seed"] > 9:
            release.wait(20)
        return chat("1. a fox")

    llm.reply = reply
    start = time.monotonic()
    proposer = connect(mode="fanout")
    proposer._left_out.add("response_format")  # else it would be tried without
    fails(proposer, "the prompt is too long", n=20)
    assert time.monotonic() - start < 15
    release.set()


def test_a_redirect_is_not_followed(llm, connect):
    llm.reply = lambda path, body: answer({}, 307, location="http://elsewhere/v1")
    assert "--llm-url" in fails(connect(), "redirects to 'http://elsewhere/v1'")
    assert len(llm.asked) == 1


@pytest.mark.parametrize("bad", [error(503, "loading"), error(429, "slow down"), error(500, "oops"), None])
def test_a_server_that_stumbles_is_asked_again(llm, connect, bad):
    llm.reply = lambda path, body: bad if len(llm.asked) < 3 else prompts_of(body)
    assert len(parse(ask(connect())[0])) == 3
    assert len(llm.asked) == 3


def test_pauses_between_attempts_grow_and_the_servers_own_wish_is_obeyed(llm, monkeypatch):
    pauses = []
    monkeypatch.setattr(client_module.time, "sleep", pauses.append)
    headers = {"retry-after": "9"}
    llm.reply = lambda path, body: answer({}, 503, **(headers if len(llm.asked) == 2 else {}))
    client = Client(llm.url)
    with pytest.raises(ServerDown, match="503"):
        client.request("POST", "/chat/completions", {})
    client.close()
    assert pauses == [0.5, 9.0, 2.0]


@pytest.mark.parametrize("bad", [error(500, "CUDA error"), None])
def test_a_server_that_keeps_failing_is_given_up(llm, connect, bad):
    llm.reply = lambda path, body: bad
    assert "log" in fails(connect(), "fails|broke the connection", ServerDown)
    assert len(llm.asked) == 4


def test_a_server_that_does_not_answer_in_time_is_given_up(llm, connect):
    release = threading.Event()

    def stall(path, body):
        release.wait(5)

    llm.reply = stall
    start = time.monotonic()
    assert "--llm" in fails(connect("org/Big-8B-Instruct", timeout=0.2), "did not answer within", ServerDown)
    assert time.monotonic() - start < 3
    release.set()


def test_a_server_that_dies_in_a_run_loses_nothing_and_is_not_asked_twice(llm, connect, tmp_path):
    asked = []

    def reply(path, body):
        asked.append(body["seed"])
        return error(503, "out of memory") if 2 <= len(asked) <= 5 else prompts_of(body)

    llm.reply = reply
    settings = Settings(iterations=2, proposals=3, patience=0, confirm=0)
    with pytest.raises(ServerDown, match="steer runs resume") as caught:
        steer(PROMPT, FakePerson(), fake_parts(proposer=connect()), settings=settings, out=tmp_path)
    folder = str(caught.value).rpartition(" ")[2]
    result = resume(folder, FakePerson(), fake_parts(proposer=connect()))
    assert result.status == "complete"
    assert len(asked) == 6  # the first once, the second four times in vain, then once more
    assert len(set(asked)) == 2


def test_no_proxy_stands_between_steer_and_this_machine(llm, connect, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert len(ask(connect())) == 1
