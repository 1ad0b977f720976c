# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = [
#     "hpsv3==1.0.0", "transformers==4.45.2", "torch==2.5.1", "torchvision==0.20.1", "accelerate==1.1.1",
#     "peft==0.13.2", "trl==0.11.4", "deepspeed==0.15.4", "diffusers==0.31.0", "numpy<2",
# ]
# ///
"""HPSv3 with the prompt: the mean of its two outputs. Not run on the released weights here.

(This file must not be called hpsv3.py: it would hide the package.)
"""

from __future__ import annotations

from collections.abc import Sequence

from common import Score, arguments, run

parser = arguments(__doc__)


def load(device: str) -> Score:
    import torch
    from hpsv3 import HPSv3RewardInferencer

    model = HPSv3RewardInferencer(device=device)

    def score(paths: Sequence[str], prompts: Sequence[str]) -> list[float]:
        # The package keeps gradients, and the order of its arguments differs between versions: by name.
        with torch.inference_mode():
            outputs = model.reward(image_paths=list(paths), prompts=list(prompts))
        return [float(output[0]) for output in outputs]

    return score


if __name__ == "__main__":
    options = parser.parse_args()
    run("hpsv3", options, lambda: load(options.device))
