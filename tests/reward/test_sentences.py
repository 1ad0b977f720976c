"""Sentence embedders of three architectures, against plain reimplementations on small random models."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_checkpoint, word_tokenizer
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, Qwen3Config, Qwen3Model

from reward.encoders.image_text import SENTENCE_ENCODER_ID, SentenceEncoder, sentence_encoder
from reward.encoders.sentences import load_bidirectional
from reward.errors import CheckpointError
from reward.predictor.predictor import Predictor

SENTENCES = ["a red car", "floating mossy rocks in the style of a painting", "blue"]
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 32,
}
# Written as in the release: the keys of transformers 4, a name that the current one does not know.
NEMOTRON = {
    **SIZES,
    "num_key_value_heads": 2,
    "model_type": "llama_bidirec",
    "architectures": ["LlamaBidirectionalModel"],
    "auto_map": {"AutoModel": "llama_bidirectional_model.LlamaBidirectionalModel"},
    "pooling": "avg",
    "rms_norm_eps": 1e-5,
    "rope_theta": 500.0,
    "rope_scaling": {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 16,
        "rope_type": "llama3",
    },
    "max_position_embeddings": 128,
    "torch_dtype": "bfloat16",
}


def loud(model):
    """Random weights large enough for attention to matter."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 1.0))
    return model


@pytest.fixture(scope="module")
def nemotron(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nemotron")
    torch.manual_seed(0)
    known = {k: v for k, v in NEMOTRON.items() if k not in ("model_type", "auto_map")}
    loud(LlamaModel(LlamaConfig.from_dict(known))).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(NEMOTRON))
    word_tokenizer(folder, ["<|begin|>"])
    return folder


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen")
    torch.manual_seed(0)
    config = Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=8, bos_token_id=None, eos_token_id=None)
    loud(Qwen3Model(config)).save_pretrained(folder)
    word_tokenizer(folder, ["<|endoftext|>"])
    return folder


def inverse_frequencies(dim, base, scaling):
    """Llama 3.1's rotary frequencies: long wavelengths slowed down by `factor`, a smooth passage between."""
    frequencies = []
    for i in range(0, dim, 2):
        frequency = base ** (-i / dim)
        wavelength = 2 * math.pi / frequency
        ratio = scaling["original_max_position_embeddings"] / wavelength
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        share = min(1.0, max(0.0, (ratio - low) / (high - low)))
        frequencies.append(frequency * (share + (1 - share) / scaling["factor"]))
    return torch.tensor(frequencies)


def plain_bidirectional_llama(weights, ids, config=NEMOTRON):
    """One sentence, token ids -> unit vector: written from the architecture, every token sees every other."""
    heads, groups, width = config["num_attention_heads"], config["num_key_value_heads"], config["hidden_size"]
    size = width // heads

    def norm(x, weight):
        return x / (x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]).sqrt() * weight

    angles = torch.arange(len(ids))[:, None] * inverse_frequencies(
        size, config["rope_theta"], config["rope_scaling"]
    )
    cosine, sine = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)

    def rotate(x):  # [tokens, size]
        first, second = x.chunk(2, -1)
        return x * cosine + torch.cat([-second, first], -1) * sine

    x = weights["embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        w = {k.removeprefix(f"layers.{layer}."): v for k, v in weights.items() if f"layers.{layer}." in k}
        h = norm(x, w["input_layernorm.weight"])
        q, k, v = (h @ w[f"self_attn.{n}_proj.weight"].T for n in "qkv")
        seen = []
        for head in range(heads):
            group = head * groups // heads
            query = rotate(q[:, head * size : (head + 1) * size])
            key = rotate(k[:, group * size : (group + 1) * size])
            value = v[:, group * size : (group + 1) * size]
            seen.append(torch.softmax(query @ key.T / math.sqrt(size), -1) @ value)
        x = x + torch.cat(seen, -1) @ w["self_attn.o_proj.weight"].T
        h = norm(x, w["post_attention_layernorm.weight"])
        gate, up = h @ w["mlp.gate_proj.weight"].T, h @ w["mlp.up_proj.weight"].T
        x = x + (gate * torch.sigmoid(gate) * up) @ w["mlp.down_proj.weight"].T
    pooled = norm(x, weights["norm.weight"]).mean(0)
    return (pooled / pooled.norm()).numpy()


def test_nemotrons_architecture_equals_a_plain_bidirectional_llama(nemotron):
    encoder = SentenceEncoder.load(nemotron)
    weights = {k.removeprefix("model."): v for k, v in load_file(nemotron / "model.safetensors").items()}
    together = encoder.encode(SENTENCES)
    assert together.shape == (3, 32)
    for sentence, row in zip(SENTENCES, together, strict=True):
        ids = torch.tensor(encoder.tokenizer(sentence)["input_ids"])
        np.testing.assert_allclose(row, plain_bidirectional_llama(weights, ids), atol=2e-5)


def test_without_the_open_mask_nemotron_would_be_another_model(nemotron):
    config = json.loads((nemotron / "config.json").read_text())
    model = load_bidirectional(nemotron, config).eval()
    encoder = SentenceEncoder.load(nemotron)
    ids, mask = encoder._tokens(SENTENCES[1:2])
    with torch.inference_mode():
        causal = model(input_ids=ids, attention_mask=mask).last_hidden_state.mean(1)
    cosine = torch.cosine_similarity(causal, torch.tensor(encoder.encode(SENTENCES[1:2]))).item()
    assert cosine < 0.99


def test_a_missing_weight_is_an_error_and_not_noise(nemotron, tmp_path):
    copy = shutil.copytree(nemotron, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    name = next(n for n in weights if n.endswith("q_proj.weight"))
    save_file({n: w for n, w in weights.items() if n != name}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 weights are missing, first .*q_proj"):
        SentenceEncoder.load(copy)


def test_qwen_reads_the_last_token_after_an_end_token_behind_left_padding(qwen):
    encoder = SentenceEncoder.load(qwen)
    end = encoder.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model = Qwen3Model.from_pretrained(qwen).eval()
    together = encoder.encode(SENTENCES)
    for sentence, row in zip(SENTENCES, together, strict=True):
        ids = torch.tensor([[*encoder.tokenizer(sentence)["input_ids"], end]])
        with torch.inference_mode():
            last = model(input_ids=ids).last_hidden_state[0, -1]
        np.testing.assert_allclose(row, (last / last.norm()).numpy(), atol=2e-5)
    ids, mask = encoder._tokens(SENTENCES)
    assert (ids[:, -1] == end).all() and mask[2].tolist() == [0] * (len(mask[2]) - 2) + [1, 1]


def test_an_end_token_that_the_tokenizer_appends_is_not_doubled_and_survives_truncation(qwen):
    encoder = SentenceEncoder.load(qwen)
    ids, mask = encoder._tokens(["red <|endoftext|>", "red " * 2000])
    assert mask.sum(1).tolist() == [2, encoder.reading.max_length]
    assert ids[1, -1] == encoder.tokenizer.convert_tokens_to_ids("<|endoftext|>")


@pytest.mark.parametrize("family", ["nemotron", "qwen"])
def test_padding_and_order_change_nothing(family, request):
    encoder = SentenceEncoder.load(request.getfixturevalue(family))
    alone = np.concatenate([encoder.encode([sentence]) for sentence in SENTENCES])
    np.testing.assert_allclose(encoder.encode(SENTENCES, batch_size=2), alone, atol=2e-5)
    np.testing.assert_allclose(encoder.encode(SENTENCES[::-1])[::-1], alone, atol=2e-5)
    assert encoder.encode([]).shape == (0, 32)


def tiny_bert(folder, pooling=None, module="Transformer"):
    torch.manual_seed(0)
    BertModel(BertConfig(**SIZES, max_position_embeddings=300)).save_pretrained(folder)
    word_tokenizer(folder, [])
    (folder / "modules.json").write_text(json.dumps([{"type": f"sentence_transformers.models.{module}"}]))
    if pooling:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({pooling: True, "other": 3}))
    return folder


def test_other_embedders_pool_as_their_own_files_say(tmp_path):
    mean = SentenceEncoder.load(tiny_bert(tmp_path / "mean", "pooling_mode_mean_tokens"))
    first = SentenceEncoder.load(tiny_bert(tmp_path / "cls", "pooling_mode_cls_token"))
    ids, mask = mean._tokens(SENTENCES[:1])
    with torch.inference_mode():
        states = mean.model(input_ids=ids, attention_mask=mask).last_hidden_state[0]
    for encoder, pooled in ((mean, states.mean(0)), (first, states[0])):
        expected = (pooled / pooled.norm()).numpy()
        np.testing.assert_allclose(encoder.encode(SENTENCES)[0], expected, atol=2e-6)


def test_an_embedder_that_would_be_read_wrongly_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="pools by pooling_mode_weightedmean_tokens"):
        SentenceEncoder.load(tiny_bert(tmp_path / "a", "pooling_mode_weightedmean_tokens"))
    with pytest.raises(CheckpointError, match="a layer of kind Dense"):
        SentenceEncoder.load(tiny_bert(tmp_path / "b", module="Dense"))


def test_the_name_in_the_store_tells_models_precisions_and_versions_apart(nemotron, qwen, tmp_path):
    first, second = SentenceEncoder.load(nemotron), SentenceEncoder.load(qwen)
    copy = shutil.copytree(nemotron, tmp_path / "snapshots" / "0123456789abcdef")
    assert len({first.key, second.key}) == 2
    assert SentenceEncoder.load(copy, id="nvidia/x").key == "nvidia_x-0123456789ab"
    half = SentenceEncoder(first.model.to(torch.bfloat16), first.tokenizer, "x", first.reading)
    assert half.key == "x-bfloat16"
    assert half.encode(SENTENCES).dtype == np.float32
    # the one that comes as a package keeps the name that its rows have always had
    assert sentence_encoder().key == "sentence_transformers_all_MiniLM_L6_v2"
    assert sentence_encoder(SENTENCE_ENCODER_ID) is sentence_encoder()


def test_a_predictor_refuses_sentences_of_another_length_than_it_was_trained_with(qwen, tmp_path):
    predictor = Predictor.load(tiny_checkpoint(tmp_path, sentence_encoder={"id": str(qwen)}))
    with pytest.raises(CheckpointError, match=r"sentences of 384 numbers, but .* makes 32"):
        predictor.group(gender="female")
