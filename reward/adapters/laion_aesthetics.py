# /// script
# requires-python = ">=3.10"
# dependencies = ["pyiqa==0.1.16", "transformers==5.23.0", "torch==2.13.0", "setuptools<81"]
# ///
"""LAION-Aesthetics v2 through pyiqa: about 1 to 10, reads no prompt. Not run on the released weights here."""

from __future__ import annotations

from common import Score, arguments, run

parser = arguments(__doc__)


def load(device: str) -> Score:
    import pyiqa

    metric = pyiqa.create_metric("laion_aes", device=device)
    return lambda paths, prompts: [float(metric(path)) for path in paths]


if __name__ == "__main__":
    options = parser.parse_args()
    run("laion-aesthetics", options, lambda: load(options.device))
