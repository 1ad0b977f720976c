"""The sandbox's encoder: pairs made for it alone, an unbroken training, a folder that loads like a hub's."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from reward.encoders.image_text import ImageTextEncoder
from steer.sandbox.make import encoder_pairs
from steer.sandbox.make.encoder import (
    Batch,
    EncoderSettings,
    _Learner,
    _model,
    _one_thread_each,
    sigmoid_loss,
    train_encoder,
)
from steer.sandbox.make.encoder_pairs import HELD_OUT, Pairs, PairsError, build_pairs, pair_scene
from steer.sandbox.make.encoder_start import structure
from steer.sandbox.make.encoder_texts import AXES, UNNAMED, Texts, axis_values, describes
from steer.sandbox.scene import SUBJECTS, Scene, draw

TINY = EncoderSettings(
    patch_size=8, width=32, depth=1, heads=2, text_width=16, text_depth=1, text_heads=1, text_length=64,
    vocabulary=600, epochs=2, batch=40,
)  # fmt: skip


def flat_paint(scene: Scene, size: int) -> np.ndarray:
    """A painter that needs no time: the subject is a color, floating things are striped."""
    place = tuple(SUBJECTS).index(scene.subject)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = (14 * place, 255 - 14 * place, (97 * place) % 256)
    if scene.floating:
        image[::4] = 0
    return image


def gray_paint(scene: Scene, size: int) -> np.ndarray:
    return np.full((size, size, 3), 128, np.uint8)


def build(folder: Path, n: int, first: int = 0) -> Pairs:
    for _ in build_pairs(folder, n, 32, 1, image_size=16, first=first, paint=flat_paint):
        pass
    return Pairs.open(folder)


def train(pairs: Path, out: Path, settings: EncoderSettings = TINY) -> list:
    return list(train_encoder(pairs, out, settings))


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pairs_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    build(folder, 120)
    return folder


@pytest.fixture(scope="module")
def trained(pairs_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("weights") / "encoder"
    train(pairs_folder, out)
    return out


def test_no_pair_shares_a_seed_with_a_painting_that_can_be_rated():
    rng = np.random.default_rng(0)
    assert max(draw(rng).seed for _ in range(500)) < encoder_pairs.FIRST_SEED
    assert min(pair_scene(number).seed for number in (0, 1, 999, HELD_OUT)) >= encoder_pairs.FIRST_SEED


def test_a_painting_follows_from_its_number_whatever_is_built_around_it(tmp_path):
    few, later = build(tmp_path / "few", 12), build(tmp_path / "later", 5, first=7)
    assert np.array_equal(few.images(range(7, 12)), later.images(range(5)))
    assert few.scenes[7:] == later.scenes


def test_a_stopped_build_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_pairs, "SHARD", 4)
    job = build_pairs(tmp_path / "a", 10, 32, 1, image_size=16, paint=flat_paint)
    list(islice(job, 2))  # the first report says that nothing is done yet, the second follows a shard
    job.close()
    with pytest.raises(PairsError, match="lacks 2 of 3 shards"):
        Pairs.open(tmp_path / "a")
    kept = (tmp_path / "a" / "paintings-000000.npy").stat().st_mtime_ns
    reports = list(build_pairs(tmp_path / "a", 10, 32, 1, image_size=16, paint=flat_paint))
    assert [report.done for report in reports] == [4, 8, 10]
    assert (tmp_path / "a" / "paintings-000000.npy").stat().st_mtime_ns == kept
    assert np.array_equal(
        Pairs.open(tmp_path / "a").images(range(10)), build(tmp_path / "b", 10).images(range(10))
    )


def test_a_damaged_shard_is_painted_again(tmp_path):
    whole = build(tmp_path, 6).images(range(6)).copy()
    shard = tmp_path / "paintings-000000.npy"
    shard.write_bytes(shard.read_bytes()[:200])
    assert np.array_equal(build(tmp_path, 6).images(range(6)), whole)


def test_pairs_of_another_painter_are_refused_with_a_way_out(tmp_path):
    build(tmp_path, 3)
    with pytest.raises(PairsError, match="another painter: delete it"):
        list(build_pairs(tmp_path, 3, 32, 1, image_size=16, paint=gray_paint))


def test_an_empty_folder_is_no_pairs(tmp_path):
    with pytest.raises(PairsError, match="steer sandbox build"):
        Pairs.open(tmp_path)


def test_several_processes_paint_what_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_pairs, "SHARD", 2)
    for workers in (1, 2):
        list(build_pairs(tmp_path / str(workers), 4, 32, workers, image_size=16))
    one, two = Pairs.open(tmp_path / "1"), Pairs.open(tmp_path / "2")
    assert np.array_equal(one.images(range(4)), two.images(range(4)))


def test_every_text_is_true_of_its_own_painting():
    texts, rng = Texts(), np.random.default_rng(1)
    scenes = [draw(rng) for _ in range(400)]
    named = np.stack([texts.draw(scene, rng)[1] for scene in scenes])
    true = describes(named, np.stack([texts.everything(scene) for scene in scenes]))
    assert true.diagonal().all()
    assert true.mean() < 0.1  # and of few others


def test_a_text_is_true_of_no_painting_that_lacks_what_it_names():
    texts = Texts()
    boat = draw(np.random.default_rng(0), subject="boat", floating=True, palette="natural")
    car = draw(np.random.default_rng(0), subject="car", floating=True, palette="natural")
    everything = np.stack([texts.everything(boat), texts.everything(car)])
    only_floating = np.full((1, len(AXES)), UNNAMED)
    only_floating[0, AXES.index("floating")] = everything[0, AXES.index("floating")]
    a_boat = only_floating.copy()
    a_boat[0, AXES.index("subject")] = axis_values()["subject"].index("boat")
    assert describes(only_floating, everything).tolist() == [[True], [True]]
    assert describes(a_boat, everything).tolist() == [[True], [False]]


def test_catalogue_entries_speak_in_pamelas_metadata():
    texts, rng = Texts(), np.random.default_rng(0)
    scene = draw(rng, subject="figure", style="poster")
    seen = " | ".join({texts.draw(scene, rng)[0] for _ in range(300)})
    assert "in the style of Pop Art" in seen
    assert "a picture of portrait" in seen


def test_the_loss_judges_every_pair_by_itself():
    logits, true = (
        torch.randn(3, 3, generator=torch.Generator().manual_seed(0)),
        torch.eye(3, dtype=torch.bool),
    )
    true[0, 2] = True
    by_hand = sum(
        -np.log(1 / (1 + np.exp(-(1 if true[i, j] else -1) * logits[i, j].item())))
        for i in range(3)
        for j in range(3)
    )
    assert sigmoid_loss(logits, true).item() == pytest.approx(by_hand / 3, rel=1e-5)


def test_attention_heads_start_as_the_taps_of_a_convolution():
    settings = EncoderSettings()
    model = _model(settings, 128, 600)
    pixels = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    structure(model, pixels, seed=0)
    layer = model.vision_model.encoder.layers[0]
    with torch.inference_mode():
        tokens = layer.layer_norm1(model.vision_model.embeddings(pixels))[0]
        q, k = (
            projection(tokens).unflatten(1, (settings.heads, -1)).transpose(0, 1)
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj)
        )
    looks_at = (q @ k.transpose(1, 2)).argmax(2)  # [heads, patches]
    at = 3 * 8 + 4  # the patch in row 3, column 4 of 8
    expected = [at + 8 * y + x for y in (-1, 0, 1) for x in (-1, 0, 1)]
    assert looks_at[:9, at].tolist() == expected


def test_the_halves_of_a_batch_teach_what_the_whole_would():
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.rand(6, 3, 16, 16, generator=generator) * 2 - 1,
        torch.randint(0, 600, (6, 64), generator=generator),
        np.eye(6, dtype=bool),
        np.zeros((6, len(AXES)), int),
    )
    with _one_thread_each() as pool:
        learner = _Learner(TINY, 16, 600, pool)
        image, text = learner._embed(batch.pixels, batch.tokens)
        logits = image @ text.T * learner.model.logit_scale.exp() + learner.model.logit_bias
        axis, _ = learner._axis_loss(learner.axes(image * 32**0.5), torch.from_numpy(batch.axes))
        loss = sigmoid_loss(logits, torch.from_numpy(batch.true)) + TINY.axis_weight * axis
        parameters = list(learner._parameters().values())
        whole = torch.autograd.grad(loss, parameters)
        learner.step(batch, 1.0)  # the last step: a learning rate of zero
    length = torch.stack([gradient.norm() for gradient in whole]).norm()
    for parameter, gradient in zip(parameters, whole, strict=True):
        # the step clips gradients to a length of 1
        assert torch.allclose(parameter.grad, gradient / max(1.0, float(length)), atol=1e-5)


def test_a_killed_training_resumes_to_the_same_weights(pairs_folder, trained, tmp_path):
    build(tmp_path / "pairs", 120)
    job = train_encoder(tmp_path / "pairs", tmp_path / "encoder", TINY)
    list(islice(job, 5))  # three steps an epoch: killed in the second
    job.close()
    assert not (tmp_path / "encoder").exists()
    resumed = train(tmp_path / "pairs", tmp_path / "encoder")
    assert [report.done for report in resumed] == [4, 5, 6]
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "encoder" / name).read_bytes() == (trained / name).read_bytes()


def test_training_learns_what_the_captions_say(pairs_folder, tmp_path):
    steps = train(pairs_folder, tmp_path / "encoder", replace(TINY, epochs=10))
    first, last = (
        dict(steps[0].figures),
        {name: np.mean([dict(step.figures)[name] for step in steps[-6:]]) for name in dict(steps[0].figures)},
    )
    assert last["contrastive"] < 0.9 * first["contrastive"]
    assert last["axes"] < 0.95 * first["axes"]
    assert last["axes right"] > first["axes right"] + 0.05


def test_a_second_stage_goes_on_from_the_first_and_resumes_to_the_same_weights(trained, tmp_path):
    build(tmp_path / "pairs", 120, first=120)
    settings = replace(TINY, epochs=1, bare=0.3, emphasis=(("subject", 5.0),), learning_rate=0.0)
    list(train_encoder(tmp_path / "pairs", tmp_path / "same", settings, trained))
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "same" / name).read_bytes() == (trained / name).read_bytes()
    settings = replace(settings, epochs=2, learning_rate=2e-3)
    job = train_encoder(tmp_path / "pairs", tmp_path / "broken", settings, trained)
    list(islice(job, 5))
    job.close()
    assert len(list(train_encoder(tmp_path / "pairs", tmp_path / "broken", settings, trained))) == 3
    build(tmp_path / "again", 120, first=120)
    list(train_encoder(tmp_path / "again", tmp_path / "whole", settings, trained))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("broken", "whole", "same")]
    assert weights[0] == weights[1] != weights[2]


def test_subjects_are_named_alone_as_often_as_asked():
    rng, subject = np.random.default_rng(0), AXES.index("subject")
    scenes = [draw(rng) for _ in range(1000)]
    shares = []
    for bare in (0.0, 0.3):
        named = np.stack([Texts(bare).draw(scene, rng)[1] for scene in scenes]) != UNNAMED
        shares.append(np.mean(named[:, subject] & (named.sum(1) == 1)))
    assert shares[1] - shares[0] == pytest.approx(0.3, abs=0.05)


def test_the_folder_loads_like_a_hub_checkpoint(trained):
    encoder = ImageTextEncoder.load(trained)
    images = encoder.images([Image.new("RGB", (512, 512), "red"), Image.new("L", (40, 30))])
    texts = encoder.texts(["Floating MOSSY rocks", "zeppelin übermorgen 漂浮的石头 🪨", "", "word " * 500])
    assert images.shape == (2, 32)
    assert texts.shape == (4, 32)
    assert np.allclose(np.linalg.norm(np.vstack([images, texts]), axis=1), 1, atol=1e-5)


def test_case_does_not_matter_and_no_text_is_without_tokens(trained):
    tokenizer = ImageTextEncoder.load(trained).tokenizer
    assert tokenizer("Floating ROCKS")["input_ids"] == tokenizer("floating rocks")["input_ids"]
    assert (
        tokenizer.decode(tokenizer("漂浮 zeppelin")["input_ids"], skip_special_tokens=True).strip()
        == "漂浮 zeppelin"
    )
    assert list(tokenizer("rocks")) == ["input_ids"]


def test_weights_are_half_precision_and_the_embedded_encoder_is_small(trained):
    with safe_open(trained / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118
    settings = EncoderSettings()
    weights = sum(
        p.numel() for p in _model(settings, encoder_pairs.IMAGE_SIZE, settings.vocabulary).parameters()
    )
    assert 2 * weights < 30e6
