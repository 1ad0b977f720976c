"""The frozen encoders against transformers' own pre- and post-processing."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_clip, tiny_encoder, tiny_naflex
from transformers import (
    AutoTokenizer,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipImageProcessorPil,
    SiglipModel,
)

from reward.encoders.image_text import ImageTextEncoder, sentence_encoder
from reward.errors import CheckpointError, ImageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(folder):
    return ImageTextEncoder.load(folder)


def pictures(count, mode="RGB"):
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)) for _ in range(count)]
    return [image.convert(mode) for image in images]


def test_images_are_prepared_and_encoded_as_transformers_does(folder, encoder):
    images = pictures(3)
    prepared = SiglipImageProcessorPil.from_pretrained(folder)(images, return_tensors="pt")
    with torch.inference_mode():
        output = SiglipModel.from_pretrained(folder).eval().get_image_features(**prepared).pooler_output
    expected = output / output.norm(dim=-1, keepdim=True)
    np.testing.assert_allclose(encoder.images(images), expected.numpy(), atol=1e-5)


def test_naflex_checkpoints_get_patches_at_the_images_own_aspect(tmp_path):
    folder = tiny_naflex(tmp_path)
    wide, tall = pictures(2)
    images = [wide.resize((60, 20)), tall.resize((20, 60))]
    prepared = Siglip2ImageProcessorPil.from_pretrained(folder)(images, return_tensors="pt")
    assert prepared["spatial_shapes"][0].tolist() == prepared["spatial_shapes"][1].tolist()[::-1]
    with torch.inference_mode():
        output = Siglip2Model.from_pretrained(folder).eval().get_image_features(**prepared).pooler_output
    expected = output / output.norm(dim=-1, keepdim=True)
    encoder = ImageTextEncoder.load(folder)
    np.testing.assert_allclose(encoder.images(images), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.texts(["A Red CAR"]), encoder.texts(["a red car"]))
    assert encoder.text_length == 64 and encoder.texts(["a red car"]).shape == (1, 32)


def test_a_model_of_another_kind_is_refused(tmp_path):
    with pytest.raises(
        CheckpointError, match="'clip' model, not an image-text encoder: give the folder or id"
    ):
        ImageTextEncoder.load(tiny_clip(tmp_path))


def test_texts_are_lowercased_and_padded_to_64_tokens(folder, encoder):
    tokens = AutoTokenizer.from_pretrained(folder)("mossy rocks", padding="max_length", max_length=64)
    with torch.inference_mode():
        model = SiglipModel.from_pretrained(folder).eval()
        output = model.get_text_features(input_ids=torch.tensor([tokens["input_ids"]])).pooler_output
    expected = (output / output.norm(dim=-1, keepdim=True)).numpy()
    np.testing.assert_allclose(encoder.texts(["Mossy ROCKS"]), expected, atol=1e-5)


def test_a_model_that_returns_a_bare_tensor_gives_the_same_features(encoder):
    def bare(**inputs):
        return encoder.model.get_image_features(**inputs).pooler_output

    older = SimpleNamespace(config=encoder.model.config, get_image_features=bare, device="cpu")
    older.eval = lambda: older
    older.requires_grad_ = lambda flag: older
    images = pictures(2)
    same = ImageTextEncoder(older, encoder.tokenizer, encoder._preprocessing, "")
    np.testing.assert_array_equal(same.images(images), encoder.images(images))


def test_features_have_unit_length_in_float32_whatever_the_image_mode(encoder):
    for mode in ("RGB", "L", "RGBA", "P"):
        features = encoder.images(pictures(2, mode))
        assert features.dtype == np.float32 and features.shape == (2, 32)
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)


def test_nothing_in_gives_no_rows(encoder):
    assert encoder.images([]).shape == encoder.texts([]).shape == (0, 32)


def test_text_of_any_length_and_script_is_encoded(encoder):
    texts = ["", "🦊" * 10_000, "苔むした岩", '<script>alert("x")</script>\n']
    assert np.isfinite(encoder.texts(texts)).all()


def test_loading_leaves_the_threads_alone_and_switches_training_off(folder):
    threads = torch.get_num_threads()
    loaded = ImageTextEncoder.load(folder)
    assert torch.get_num_threads() == threads
    assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters())


def test_the_hash_changes_with_weights_and_preprocessing_but_not_with_the_place(folder, encoder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert ImageTextEncoder.load(copy).hash == encoder.hash
    settings = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(settings | {"resample": 2}))
    assert ImageTextEncoder.load(copy).hash != encoder.hash
    assert ImageTextEncoder.load(tiny_encoder(tmp_path / "other", seed=1)).hash != encoder.hash


@pytest.mark.parametrize("damage", ["model.safetensors", "preprocessor_config.json", "config.json"])
def test_a_damaged_encoder_says_so_in_one_line(folder, tmp_path, damage):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / damage).write_bytes(b"{oops")
    with pytest.raises(CheckpointError, match="copy or download it again") as error:
        ImageTextEncoder.load(copy)
    assert "\n" not in str(error.value)


def test_a_missing_encoder_says_how_to_get_it():
    with pytest.raises(CheckpointError, match="steer setup google/nothing-here"):
        ImageTextEncoder.load("google/nothing-here")


def test_an_image_that_does_not_decode_is_named_as_such(encoder, tmp_path):
    pictures(1)[0].save(tmp_path / "whole.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    with Image.open(tmp_path / "torn.png") as torn, pytest.raises(ImageError, match="cannot be decoded"):
        encoder.images([torn])


def test_sentences_of_one_meaning_are_close_and_order_is_kept():
    sentences = [
        "a red car",
        "an automobile painted crimson, parked by the side of a long road",
        "mossy rocks",
    ]
    encoder = sentence_encoder()
    together = encoder.encode(sentences)
    assert together.shape == (3, 384) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for row, sentence in zip(together, sentences, strict=True):
        np.testing.assert_allclose(row, encoder.encode([sentence])[0], atol=1e-5)
    assert encoder.similarity(*sentences[:2]) > 0.4 > encoder.similarity(sentences[0], sentences[2])
    assert encoder.encode([]).shape == (0, 384)
    assert sentence_encoder() is encoder
