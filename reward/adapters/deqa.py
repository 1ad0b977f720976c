# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = [
#     "transformers==4.46.3", "torch==2.5.1", "torchvision==0.20.1", "accelerate==1.1.1", "numpy<2",
#     "pillow", "sentencepiece==0.2.0", "einops", "icecream", "requests",
# ]
# ///
"""DeQA-Score (Mix3): about 1 to 5, reads no prompt. Not run on the released weights here.

The model brings its own Python code, so it runs only with --trust-remote-code and a --revision.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import FORMATS, Score, arguments, pinned, run

MODEL = "zhiyuanyou/DeQA-Score-Mix3"
parser = arguments(__doc__, remote_code=True)


def load(device: str, revision: str) -> Score:
    import torch
    from PIL import Image
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        MODEL,
        revision=revision,
        code_revision=revision,
        trust_remote_code=True,
        attn_implementation="eager",
        torch_dtype=torch.float16,
        device_map=device,
    )

    def score(paths: Sequence[str], prompts: Sequence[str]) -> list[float]:
        images = []
        for path in paths:
            with Image.open(path, formats=FORMATS) as image:
                images.append(image.convert("RGB"))
        with torch.inference_mode():
            return [float(value) for value in model.score(images)]

    return score


if __name__ == "__main__":
    options = parser.parse_args()
    commit = pinned(options)
    run("deqa", options, lambda: load(options.device, commit))
