# /// script
# requires-python = ">=3.10"
# dependencies = ["pyiqa==0.1.16", "transformers==5.23.0", "torch==2.13.0", "setuptools<81"]
# ///
"""Q-Align (OneAlign) through pyiqa: 1 to 5, reads no prompt. Not run on the released weights here.

The task goes word for word into the question that the model is asked. pyiqa says "aesthetic" where the
model's own page says "aesthetics", so figures of the two need not agree; the scorer's name says which task.
pyiqa is for non-commercial use.
"""

from __future__ import annotations

from common import Score, arguments, run

TASKS = {"quality": "qalign-quality", "aesthetic": "qalign-aesthetics"}
parser = arguments(__doc__)
parser.add_argument("--task", choices=list(TASKS), default="aesthetic")
parser.add_argument("--precision", choices=["fp16", "8bit", "4bit"], default="fp16")


def load(device: str, task: str, precision: str) -> Score:
    import pyiqa

    name = "qalign" if precision == "fp16" else f"qalign_{precision}"
    metric = pyiqa.create_metric(name, device=device)
    return lambda paths, prompts: [float(metric(path, task_=task)) for path in paths]  # one at a time only


if __name__ == "__main__":
    options = parser.parse_args()
    run(TASKS[options.task], options, lambda: load(options.device, options.task, options.precision))
