"""The paper, and what it reports of its user study; its other figures of real people are in their tables."""

from __future__ import annotations

from collections.abc import Mapping

SOURCE = "Maerten, Verwiebe et al. 2026, arXiv:2604.07427v1"

FIGURE8_DATA = "user study of section 6.1: 6 users, 18 prompts, 7,650 comparisons, FLUX.2; read from the text"
# whose pictures: Bradley-Terry score on an Elo scale (mean 1000)
FIGURE8: Mapping[str, int] = {
    "own": 1065,
    "others": 1038,
    "base": 1016,
    "HPSv3": 959,
    "Q-Align": 922,
}
