"""The GPU benchmark runs at a tiny size through the same code, and makes the latents of the stock loop."""

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_every_part_runs_and_ours_makes_the_latents_of_the_stock_loop(gpu, tmp_path, capsys):
    import torch

    try:
        gpu.main(["all", "--tiny", "--out", str(tmp_path)])
    finally:
        torch.set_grad_enabled(True)
    found = json.loads((tmp_path / "gpu-tiny.json").read_text())
    assert set(gpu.PARTS) <= found.keys()
    for kernel in ("math", "torch's choice", "the renderer's choice", "eager"):
        assert found["attention"][kernel]["finite"] and found["attention"][kernel]["repeatable"]
        assert found["attention"][kernel]["words_against_math"] < 1e-4
    assert "RuntimeError" in found["attention"]["cudnn"]["error"]  # a CPU has none
    bf16 = found["plans"]["bf16"]
    assert bf16["finite"] and bf16["batch_1_largest_difference"] <= 1 and min(bf16["standard_deviation"]) > 1
    assert bf16["repeated_largest_difference"] == 0 == bf16["after_rest"]["largest_difference"]
    assert found["wake"]["batch of 4 after rest and wake"]["seconds_per_picture"] > 0
    for part in ("ours", "compile"):
        for figures in found[part].values():
            assert figures["latent_error"] < 1e-4 and 0 <= figures["outside_denoising"] < 1
    assert found["stock"]["seconds_per_picture"] > 0 and found["gemm"]["batch 1"]["gemm_tflops"] > 0
    assert found["scorer"]["score_seconds_per_picture"] > 0
    assert "batch 2" in found["conclusions"]["speed_up_over_stock"]


def test_conclusions_compare_with_the_stock_loop_and_with_the_products_alone(gpu):
    ours = {"seconds_per_picture": 6.0, "tflops": 600.0, "denoising_tflops": 640.0}
    told = gpu.conclusions(
        {
            "stock": {"seconds_per_picture": 9.0},
            "gemm": {"batch 4": {"gemm_tflops": 800.0}},
            "ours": {"batch 4": ours},
            "compile": {"batch 4": {**ours, "seconds_per_picture": 4.5}},
            "fp8": {"not measured": "no fp8"},
        }
    )
    assert told["speed_up_over_stock"] == {"batch 4": 1.5, "batch 4, compiled": 2.0}
    assert told["share_of_gemm_rate"]["batch 4"] == 0.8 and told["with_decoding"]["batch 4"] == 0.75


def test_quick_measures_each_part_by_itself_and_goes_on_where_one_takes_too_long(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "QUICK", {**gpu.QUICK, "gemm": 0.1, "pinning": 300})
    gpu.main(["quick", "gemm", "pinning", "--tiny", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "gpu-tiny.json").read_text())
    assert "gemm" not in found and "stopped after 0 seconds" in found["gemm, as a whole"]["failed"]
    assert found["pinning, as a whole"]["failed"] is None
    assert found["pinning"]["ordinary"]["gb_s_to_card"] > 0


def test_the_parts_of_quick_fit_into_nine_minutes(gpu):
    assert gpu.QUICK_SECONDS <= 540 and set(gpu.QUICK) < set(gpu.PARTS)


def test_without_a_gpu_the_full_size_says_what_to_do(gpu, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="--tiny"):
        gpu.main(["stock"])
