# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["imscore==0.0.11", "transformers==4.57.3", "torch==2.8.0", "torchvision==0.23.0"]
# ///
"""ImageReward v1.0 through imscore, with the prompt. Not run on the released weights here.

imscore is a port whose scores are said to differ from the original by 0.17 to 1.35%; the original package
asks for versions that no longer go together.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import FORMATS, Score, arguments, run

parser = arguments(__doc__)


def load(device: str) -> Score:
    import numpy as np
    import torch
    from imscore.imreward.model import ImageReward
    from PIL import Image

    model = ImageReward.from_pretrained("RE-N-Y/ImageReward").to(device).eval()

    def score(paths: Sequence[str], prompts: Sequence[str]) -> list[float]:
        scores = []
        for path, prompt in zip(paths, prompts, strict=True):  # sizes differ, so one at a time
            with Image.open(path, formats=FORMATS) as image:
                pixels = np.asarray(image.convert("RGB"), np.float32) / 255
            batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device)
            with torch.inference_mode():
                scores.append(float(model.score(batch, [prompt])))
        return scores

    return score


if __name__ == "__main__":
    options = parser.parse_args()
    run("imagereward", options, lambda: load(options.device))
