"""Denoisers as one file: GGUF and safetensors, under the names in which people share them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")
import single_files as made
import tiny_pipelines as tiny
from diffusers.quantizers.gguf.utils import SUPPORTED_GGUF_QUANT_TYPES

from steer.errors import RendererError, UsageError
from steer.machine.gpu_memory import UNPACKING, Models, plan_memory
from steer.machine.gpus import by_name
from steer.machine.overrides import Overrides
from steer.machine.presets import resolve
from steer.renderer import RenderSettings, open_renderer, single_file
from steer.renderer.single_file import BASES, QUANTIZED, SingleFile, find
from steer.renderer.weights_file import Tensor, tensors_in

SMALL = RenderSettings(width=32, height=32, steps=2, max_sequence_length=16)
PIPELINES = {
    "klein": tiny.klein,
    "z-image": tiny.z_image,
    "qwen-image": tiny.qwen_image,
    "sd": tiny.stable_diffusion,
}
THEIRS = {"klein": made.flux2_makers, "z-image": made.z_image_makers, "qwen-image": dict, "sd": dict}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Each pipeline whole, as a folder, and the weights of its denoiser."""
    found = {}
    for name, make in PIPELINES.items():
        pipe = make()
        folder = tiny.save(pipe, tmp_path_factory.mktemp(name) / name)
        found[name] = folder, (pipe.unet if name == "sd" else pipe.transformer).state_dict()
    return found


@pytest.fixture
def around(folders, tmp_path):
    """A pipeline's folder without its denoiser's weights, as `steer setup` fetches it; and those weights."""

    def around(name):
        whole, weights = folders[name]
        folder = tmp_path / "around" / name
        if not folder.exists():
            left_out = shutil.ignore_patterns("*.safetensors*")
            part = "unet" if name == "sd" else "transformer"
            shutil.copytree(
                whole, folder, ignore=lambda at, names: left_out(at, names) if at.endswith(part) else []
            )
        return str(folder), weights

    return around


def pixels(renderer):
    [image] = renderer.render(["a red car"], [0])
    return np.asarray(image, int)


@pytest.mark.parametrize("name", list(PIPELINES))
def test_a_file_under_any_of_its_names_makes_the_pictures_of_the_whole_pipeline(
    name, folders, around, tmp_path
):
    small = replace(SMALL, max_sequence_length=None) if name == "sd" else SMALL
    whole = pixels(open_renderer(folders[name][0], settings=small))
    base, weights = around(name)
    files = [made.as_safetensors(tmp_path / "makers.safetensors", THEIRS[name](weights))]
    if name != "sd":
        files.append(
            made.as_safetensors(tmp_path / "comfy.safetensors", made.prefixed(THEIRS[name](weights)))
        )
    for file in files:
        renderer = open_renderer(file, base=base, settings=small)
        assert np.array_equal(pixels(renderer), whole), file.name
        assert renderer.name == f"{file.name} on {name}"


@pytest.mark.parametrize("name", ["klein", "z-image", "qwen-image"])
def test_a_gguf_makes_almost_those_pictures_and_its_weights_stay_as_they_are_in_the_file(
    name, folders, around, tmp_path
):
    whole = pixels(open_renderer(folders[name][0], settings=SMALL))
    base, weights = around(name)
    file = made.as_gguf(tmp_path / "m.gguf", made.prefixed(THEIRS[name](weights)), "Q8_0")
    renderer = open_renderer(file, base=base, settings=SMALL)
    assert np.abs(pixels(renderer) - whole).mean() < 2
    found = find(str(file))
    model = renderer._pipes.image.transformer
    held = sum(t.nbytes if t.dtype == torch.uint8 else 2 * t.numel() for t in model.parameters())
    assert found.bytes == held < 2 * found.parameters and found.widest > 0
    assert found.parameters == sum(tensor.numel() for tensor in weights.values())


def test_what_no_layer_unpacks_as_it_computes_is_unpacked_once(around, tmp_path):
    base, weights = around("z-image")  # whose padding tokens are matrices of one row
    file = made.as_gguf(tmp_path / "m.gguf", weights, "BF16", "lumina2")
    assert tensors_in(file)["x_pad_token"].type == "BF16"
    model = open_renderer(file, base=base, settings=SMALL)._pipes.image.transformer
    assert model.x_pad_token.dtype == torch.float32 and model.x_pad_token.shape == (1, 32)


def test_the_file_is_part_of_a_renderers_identity_and_its_name_is_in_the_record(around, tmp_path):
    base, weights = around("klein")
    one = made.as_safetensors(tmp_path / "one.safetensors", weights)
    other = made.as_safetensors(tmp_path / "two.safetensors", {k: 2 * v for k, v in weights.items()})
    first, second = (open_renderer(file, base=base, settings=SMALL) for file in (one, other))
    assert first.sha256 != second.sha256 and first.revision != second.revision
    assert first.model == "one.safetensors on klein" and str(tmp_path) not in first.model + first.revision
    shutil.copyfile(one, tmp_path / "moved.safetensors")
    assert open_renderer(tmp_path / "moved.safetensors", base=base, settings=SMALL).revision == first.revision


def test_a_lora_is_added_to_a_gguf(around, tmp_path):
    pytest.importorskip("peft")
    base, weights = around("klein")
    file = made.as_gguf(tmp_path / "m.gguf", weights)
    wide = weights["transformer_blocks.0.attn.to_q.weight"].shape
    lora = {
        "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(4, wide[1]),
        "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": torch.ones(wide[0], 4),
    }
    style = made.as_safetensors(tmp_path / "style.safetensors", lora)
    plain = pixels(open_renderer(file, base=base, settings=SMALL))
    assert not np.array_equal(
        pixels(open_renderer(file, base=base, lora=(str(style),), settings=SMALL)), plain
    )


# --- which pipeline a file belongs to


@pytest.mark.parametrize(
    ("name", "kind", "width", "base"),
    [
        ("flux2_dev-Q4_K_M.gguf", single_file.FLUX2, 6144, "black-forest-labs/FLUX.2-dev"),
        ("mine.gguf", single_file.FLUX2, 4096, "black-forest-labs/FLUX.2-klein-9B"),
        ("flux-2-klein-base-9b.gguf", single_file.FLUX2, 4096, "black-forest-labs/FLUX.2-klein-base-9B"),
        ("flux-2-klein-4b-Q8_0.gguf", single_file.FLUX2, 3072, "black-forest-labs/FLUX.2-klein-4B"),
        ("z_image_turbo_bf16.safetensors", single_file.Z_IMAGE, 3840, "Tongyi-MAI/Z-Image-Turbo"),
        ("my-portraits.safetensors", single_file.Z_IMAGE, 3840, "Tongyi-MAI/Z-Image-Turbo"),
        ("z-image-Q6_K.gguf", single_file.Z_IMAGE, 3840, "Tongyi-MAI/Z-Image"),
        ("qwen-image-2512-Q4_K_M.gguf", single_file.QWEN_IMAGE, 3072, "Qwen/Qwen-Image"),
        (
            "sdxl_lightning_4step_unet.safetensors",
            single_file.UNET,
            2048,
            "stabilityai/stable-diffusion-xl-base-1.0",
        ),
        ("mine.gguf", single_file.FLUX2, 64, None),
    ],
)
def test_a_file_belongs_to_the_released_pipeline_of_its_width_and_its_name(name, kind, width, base, tmp_path):
    assert SingleFile(tmp_path / name, name, kind, "", width, 1, 2, 0).base == base


def test_before_it_is_here_a_file_is_known_by_its_name_alone():
    id = "unsloth/FLUX.2-klein-4B-GGUF/flux-2-klein-4b-Q4_K_M.gguf"
    assert single_file.guess(id) == "black-forest-labs/FLUX.2-klein-4B"
    assert single_file.guess("someone/things/portraits.gguf") is None
    assert single_file.on_hub(f"{id}@main") == ("unsloth/FLUX.2-klein-4B-GGUF", id.rpartition("/")[2], "main")
    assert single_file.on_hub("./a/b/c.gguf") is None and single_file.on_hub("c.gguf") is None
    assert len({base.id for base in BASES}) == len(BASES)


def test_the_types_that_are_let_in_are_those_that_diffusers_unpacks():
    assert set(QUANTIZED) == {kind.name for kind in SUPPORTED_GGUF_QUANT_TYPES}


# --- the memory plan


def test_a_memory_plan_counts_the_file_as_it_is_on_the_card_and_what_unpacking_takes(tmp_path):
    klein = "black-forest-labs/FLUX.2-klein-9B"
    file = SingleFile(tmp_path / "k.gguf", "k.gguf", single_file.FLUX2, "", 4096, 9 * 10**9, 5 * 10**9, 10**8)
    gpu = replace(by_name("RTX 4090"), memory=16)
    whole, packed = (plan_memory("bf16", Models(renderer=klein, file=each), gpu) for each in (None, file))
    sizes = {part.what: part.bytes("bf16") for part in packed.components}
    before = {part.what: part.bytes("bf16") for part in whole.components}
    assert sizes == {**before, "transformer": 5 * 10**9}
    saved = before["transformer"] - 5 * 10**9 - UNPACKING * 10**8
    assert whole.turns and packed.turns and whole.needs["render"] - packed.needs["render"] == saved
    assert packed.image_seconds > whole.image_seconds  # it is unpacked at every step
    assert packed.encode_seconds == whole.encode_seconds
    in_nf4 = {
        part.what: part.bytes("nf4") for part in plan_memory("nf4", Models(klein, file), gpu).components
    }
    assert in_nf4["transformer"] == 5 * 10**9 and in_nf4["text encoder"] < before["text encoder"] / 2


def test_the_plan_of_a_run_takes_the_size_from_the_file_that_is_here(around, tmp_path):
    base, weights = around("klein")
    file = made.as_gguf(tmp_path / "m.gguf", weights)
    resolved = resolve("klein", Overrides(renderer=str(file), renderer_base=base))
    [part] = [part for part in resolved.memory_plan.components if part.what == "transformer"]
    assert part.model == "m.gguf" and part.bytes("fp8") == find(str(file)).bytes
    assert resolved.pipeline == base and resolve("klein").pipeline == "black-forest-labs/FLUX.2-klein-4B"
    away = resolve("klein", Overrides(renderer="unsloth/FLUX.2-klein-9B-GGUF/flux-2-klein-9b-Q4_K_M.gguf"))
    assert away.pipeline == "black-forest-labs/FLUX.2-klein-9B" and away.file is None


# --- what is refused, in one line each


def refused(file, base=None, error=RendererError, **more):
    with pytest.raises(error) as raised:
        open_renderer(file, base=base, settings=SMALL, **more)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_files_that_are_no_denoiser_are_named_for_what_they_are(around, tmp_path):
    base, weights = around("klein")
    row = torch.zeros(2, 32)
    lora = made.as_safetensors(tmp_path / "l.safetensors", {"transformer.x.lora_A.weight": row})
    assert "l.safetensors is a LoRA, no model of its own: --lora l.safetensors" in refused(lora, base)
    other = made.as_safetensors(tmp_path / "o.safetensors", {"double_blocks.0.img_attn.qkv.weight": row})
    assert "holds no denoiser that is known here (FLUX.2, Z-Image" in refused(other, base)
    scaled = {**weights, "transformer_blocks.0.attn.to_q.weight_scale": torch.ones(1)}
    line = refused(made.as_safetensors(tmp_path / "s.safetensors", scaled), base)
    assert "weights with scales beside them, which diffusers cannot read: take a .gguf" in line
    whole = {
        "first_stage_model.x": row,
        **made.prefixed({name: row.clone() for name in single_file._MARKS[single_file.UNET][0]}),
    }
    line = refused(made.as_safetensors(tmp_path / "w.safetensors", whole), base)
    assert "a whole Stable Diffusion in one file" in line and "save_pretrained" in line
    for name in ("model.ckpt", "model.pt", "model.bin"):
        (tmp_path / name).write_bytes(b"\x80\x04.")
        assert "can run programs when it is opened" in refused(tmp_path / name, base)
    assert "there is no file" in refused("nowhere.gguf", base)
    line = refused("owner/name/m.gguf", base)
    assert (
        line == "owner/name/m.gguf is not on this machine: check the path, or: steer setup owner/name/m.gguf"
    )


def test_a_file_that_does_not_fit_its_pipeline_is_refused_before_there_is_a_run(around, tmp_path):
    base, weights = around("klein")
    file = made.as_gguf(tmp_path / "m.gguf", weights)
    assert "no pipeline is known that m.gguf belongs to (Flux2Transformer2DModel, 32 wide)" in refused(file)
    assert "the pipeline has no Flux2Transformer2DModel" in refused(file, around("z-image")[0])
    deeper = tiny.transformer(tiny.Size(single=2), guidance=False).state_dict()
    line = refused(made.as_safetensors(tmp_path / "d.safetensors", deeper), base)
    assert "does not fit: the file has" in line and "--renderer-base" in line
    fewer = {("y." + k if "norm" in k else k): v for k, v in weights.items()}
    renderer = open_renderer(
        made.as_safetensors(tmp_path / "f.safetensors", fewer), base=base, settings=SMALL
    )
    with pytest.raises(RendererError, match=r"f\.safetensors has not all weights of a Flux2"):
        pixels(renderer)
    plain = made.as_safetensors(tmp_path / "p.safetensors", weights)
    assert "single file: leave it out" in refused(plain, base, UsageError, memory="nf4")
    with pytest.raises(UsageError, match="name it with --renderer"):
        Overrides(renderer_base=base)
    assert "and klein is a whole pipeline" in refused(base, base, UsageError).replace(base, "klein")
    line = refused(file, "black-forest-labs/FLUX.2-klein-4B")
    assert f"steer setup {file} --renderer-base black-forest-labs/FLUX.2-klein-4B" in line


def test_a_pipeline_around_a_file_may_lack_its_denoiser_and_nothing_else(around, tmp_path):
    base, weights = around("klein")
    file = made.as_safetensors(tmp_path / "m.safetensors", weights)
    assert "transformer holds no weights" in refused(base)
    next((tmp_path / "around" / "klein" / "vae").glob("*.safetensors")).unlink()
    assert "vae holds no weights" in refused(file, base)


def test_a_gguf_that_is_cut_or_changed_anywhere_is_one_line_and_takes_no_memory(around, tmp_path):
    base, weights = around("klein")
    whole = made.as_gguf(tmp_path / "m.gguf", weights).read_bytes()
    listed = tensors_in(tmp_path / "m.gguf")
    assert listed["x_embedder.weight"] == Tensor((32, 16), "F32", 2048)
    assert listed["transformer_blocks.0.attn.to_q.weight"].type == "Q8_0"
    broken = tmp_path / "b.gguf"
    rng = np.random.default_rng(0)
    for cut in (0, 3, 12, 200, len(whole) // 2, len(whole) - 1):
        broken.write_bytes(whole[:cut])
        assert "b.gguf is damaged" in refused(broken, base)
    header = len(whole) - sum(each.bytes for each in listed.values())
    for _ in range(400):  # lengths and counts of up to 2**64 among them
        changed = bytearray(whole)
        start = int(rng.integers(0, header - 8))
        changed[start : start + 8] = rng.integers(0, 256, 8, dtype=np.uint8).tobytes()
        broken.write_bytes(changed)
        try:
            tensors_in(broken)
        except ValueError as error:
            assert "\n" not in str(error)
    html = tmp_path / "page.safetensors"
    html.write_text("<html>not found</html>" * 9)
    assert "page.safetensors is damaged (it is no safetensors file)" in refused(html, base)


def test_steps_and_guidance_are_those_of_the_pipeline_around_the_file(around, tmp_path):
    base, weights = around("klein")
    file = made.as_gguf(tmp_path / "m.gguf", weights)
    renderer = open_renderer(file, base=base)
    assert (renderer.steps, renderer.guidance_scale) == (4, 1.0)  # klein, distilled
    index = json.loads((tmp_path / "around" / "klein" / "model_index.json").read_text())
    (tmp_path / "around" / "klein" / "model_index.json").write_text(
        json.dumps({**index, "is_distilled": False})
    )
    assert open_renderer(file, base=base).steps == 50
