"""Our way through the proposals and renders of a run, against a plain loop, on a CPU with a tiny FLUX.2.

    python benchmarks/loop_cpu.py            # one thread, a few minutes

The plain loop is what everybody writes first: the language model is called once per sample and the pipeline
once per image. Both do the same work in the same process: one run's requests to the real SmolLM2-135M, then
the same prompts and seeds through a FLUX.2 pipeline with random weights. Its sizes are `SIZE`; text encoder
depth (40 layers, read at 10, 20, 30) and text length (512 tokens) are FLUX.2-dev's. A plain loop cannot draw
our samples one by one, so its samples have our lengths and are thrown away; the images are compared.

Each saving is measured by adding it to the ones before. Seconds are processor time of the process, because
other processes may share the machine; wall seconds are in the JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import numpy as np
import tiny_pipelines as tiny
import torch
from common import RESULTS, machine, write_json
from PIL import Image

from steer.parts import Scored
from steer.proposer.smollm import LocalProposer
from steer.renderer import RenderSettings, open_renderer
from steer.renderer.load import quiet, short_text_encoder
from steer.renderer.source import find_source
from steer.settings import DEFAULT_PROMPT, Settings

SIZE = tiny.Size(text=64, heads=4, double=2, single=4, vae=16)
SIDE, STEPS, BATCH = 64, 4, 4  # pixels, denoising steps, the renderer's default batch
RUN = Settings(iterations=2, proposals=10)  # with the gate's 4 renders and 2 x 4 to confirm: 33 images


def main() -> None:
    torch.set_num_threads(1)
    clock: dict[str, dict[str, float]] = {}
    prompts = propose(clock)
    jobs = [(DEFAULT_PROMPT, RUN.seed), *((DEFAULT_PROMPT, seed) for seed in RUN.gate_seeds)]
    jobs += [(prompt, RUN.seed) for prompt in prompts]
    jobs += [(prompt, seed) for prompt in (DEFAULT_PROMPT, prompts[0]) for seed in RUN.confirm_seeds]
    worst = render(jobs, clock)
    report = {
        "machine": machine(),
        "sizes": {**vars(SIZE), "pixels": SIDE, "steps": STEPS, "batch": BATCH, "text_tokens": 512},
        "work": {
            "proposals": len(prompts),
            "images": len(jobs),
            "distinct_prompts": len({prompt for prompt, _ in jobs}),
        },
        "seconds": clock,
        "speedup": speedups(clock),
        "worst_pixel_difference_of_255": worst,
    }
    write_json(RESULTS / "loop_cpu.json", report)
    print(json.dumps(report, indent=1))


def timed(clock: dict[str, dict[str, float]], name: str, work: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    clock[name] = {
        "cpu": round(time.process_time() - cpu, 2),
        "wall": round(time.perf_counter() - wall, 2),
    }
    return done


def propose(clock: dict[str, dict[str, float]]) -> list[str]:
    """The prompts of a run; the same requests once in one pass over the model, once sample by sample."""
    proposer = LocalProposer(threads=1)
    proposer.load()
    sampler, (model, _) = proposer._sampler, proposer._loaded or (None, None)
    asked: list[tuple[tuple[int, ...], int]] = []  # tokens of a prompt, tokens drawn after it
    sample = sampler.sample

    def noting(requests: Sequence[Any], *rest: Any) -> list[list[int]]:
        replies = sample(requests, *rest)
        asked.extend(
            ((*one.start, *one.rest), len(reply)) for one, reply in zip(requests, replies, strict=True)
        )
        return replies

    sampler.sample = noting

    def ours() -> list[str]:
        replies: list[str] = []
        for iteration in range(1, RUN.iterations + 1):
            memory = [Scored(replies[0].removeprefix("1. ") if replies else DEFAULT_PROMPT, 3.0)]
            seed = RUN.llm_seed_of(iteration, 0)
            replies += proposer.propose(DEFAULT_PROMPT, memory, RUN.proposals, seed)
        return [reply.removeprefix("1. ") for reply in replies]

    def plain() -> None:
        for tokens, drawn in asked:
            with torch.inference_mode():
                model.generate(
                    torch.tensor([tokens]),
                    attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
                    min_new_tokens=drawn,
                    max_new_tokens=drawn,
                    do_sample=True,
                    pad_token_id=0,
                )

    prompts = timed(clock, "propose: all samples in one pass", ours)
    with quiet():
        timed(clock, "propose: one call per sample", plain)
    return prompts


def render(jobs: Sequence[tuple[str, int]], clock: dict[str, dict[str, float]]) -> int:
    """Largest difference of any pixel between the plain loop's images and ours."""
    pipe = tiny.flux2(SIZE)

    def plain() -> list[Image.Image]:
        return [
            pipe(
                prompt=prompt,
                width=SIDE,
                height=SIDE,
                num_inference_steps=STEPS,
                guidance_scale=4.0,
                generator=torch.Generator().manual_seed(seed),
            ).images[0]
            for prompt, seed in jobs
        ]

    def ours(batch: int) -> list[Image.Image]:
        settings = RenderSettings(width=SIDE, height=SIDE, steps=STEPS, batch_size=batch)
        renderer = open_renderer(folder, settings=settings, device="cpu")
        list(renderer.render(["warm"], [0]))  # loads; encodes and renders what the run does not ask for
        name = "render: + images in batches" if batch > 1 else "render: + each prompt encoded once"
        return timed(clock, name, lambda: list(renderer.render([p for p, _ in jobs], [s for _, s in jobs])))

    with tempfile.TemporaryDirectory() as place:
        folder = tiny.save(pipe, Path(place) / "flux2")
        expected = timed(clock, "render: one call per image", plain)
        with quiet():
            source = find_source(folder, device="cpu")
            pipe.text_encoder = short_text_encoder(source, "Mistral3ForConditionalGeneration", 30, {})
        found = [timed(clock, "render: + text encoder cut", plain), ours(1), ours(BATCH)]
    return max(
        int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())
        for images in found
        for a, b in zip(images, expected, strict=True)
    )


def speedups(clock: dict[str, dict[str, float]]) -> dict[str, float]:
    """Plain over ours, in processor time: of each part and of both together."""
    cpu = {name: seconds["cpu"] for name, seconds in clock.items()}
    propose = cpu["propose: one call per sample"], cpu["propose: all samples in one pass"]
    rendering = cpu["render: one call per image"], cpu["render: + images in batches"]
    return {
        "propose": round(propose[0] / propose[1], 2),
        "render": round(rendering[0] / rendering[1], 2),
        "both": round((propose[0] + rendering[0]) / (propose[1] + rendering[1]), 2),
    }


if __name__ == "__main__":
    main()
