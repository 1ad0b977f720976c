"""What the paper reports (arXiv 2604.07427v1), digit for digit: figures of real people."""

from __future__ import annotations

from types import MappingProxyType

SOURCE = "Maerten, Verwiebe et al. 2026, arXiv:2604.07427v1"

TABLE2_DATA = "PAMELA test set, 27 unseen users"
# user SROCC, average SROCC, user PLCC, average PLCC, user pairwise accuracy, average pairwise accuracy
TABLE2 = MappingProxyType({
    "LAION": (0.1516, 0.1511, 0.1471, 0.1426, 0.5110, 0.5156),
    "Q-Align (IQA)": (0.2497, 0.3290, 0.2416, 0.3244, 0.5865, 0.6096),
    "Q-Align (Aesthetics)": (0.2677, 0.3273, 0.2906, 0.3606, 0.5932, 0.6109),
    "ImageReward": (0.2841, 0.2314, 0.2855, 0.2044, 0.5978, 0.5762),
    "DeQA": (0.2371, 0.2864, 0.2105, 0.2741, 0.5818, 0.5950),
    "HPSv3": (0.4019, 0.5076, 0.4444, 0.5880, 0.6427, 0.6773),
    "PAMELA": (0.4514, 0.5269, 0.4722, 0.6116, 0.6631, 0.6798),
})  # fmt: skip

TABLE3_DATA = "mean over PAMELA, LAPIS and PARA"
# seen SROCC, PLCC, pairwise accuracy; unseen SROCC, PLCC, pairwise accuracy
TABLE3 = MappingProxyType({
    "full": (0.5563, 0.5887, 0.7311, 0.4975, 0.5183, 0.7057),
    "no text": (0.5922, 0.6200, 0.7460, 0.4788, 0.4981, 0.6981),
    "no demographics": (0.5734, 0.6006, 0.7381, 0.4896, 0.5126, 0.7029),
    "no metadata": (0.5639, 0.5933, 0.7333, 0.4544, 0.4835, 0.6872),
    "no demographics, no metadata": (0.5676, 0.5985, 0.7340, 0.4723, 0.4989, 0.6932),
    "no participant": (0.5081, 0.5349, 0.7115, 0.5322, 0.5614, 0.7191),
})  # fmt: skip

TABLE4_DATA = "PAMELA test set, 27 unseen users, temperature 0.1"
# (context images, neighbours): SROCC, PLCC, pairwise accuracy
TABLE4 = MappingProxyType({
    (5, 1): (0.3917, 0.4224, 0.6406),
    (5, 5): (0.3829, 0.4023, 0.6369),
    (10, 1): (0.4136, 0.4353, 0.6474),
    (10, 5): (0.3880, 0.4230, 0.6383),
    (15, 1): (0.4430, 0.4633, 0.6601),
    (15, 5): (0.4514, 0.4722, 0.6631),
    (15, 10): (0.4486, 0.4623, 0.6622),
    (20, 5): (0.4191, 0.4424, 0.6513),
    (20, 10): (0.4110, 0.4298, 0.6500),
    (25, 5): (0.4182, 0.4347, 0.6509),
    (25, 10): (0.4100, 0.4243, 0.6472),
})  # fmt: skip
TABLE4_TEMPERATURE_EFFECT = 0.001  # "differences < 0.001 across all metrics" (appendix A.2)

DIVERGENCE_DATA = "PAMELA test set"
# split: share of diverging preferences in the right order, how many there are ("about")
DIVERGENCE = MappingProxyType({"test_seen": (0.6144, 71_700), "test_unseen": (0.5523, 13_000)})

MARGIN_DATA = "PAMELA test set"
MARGIN = "pairwise accuracy rises to nearly 0.80 as the margin grows to the next anchor point (Figure 11)"

FIGURE8_DATA = "user study of section 6.1: 6 users, 18 prompts, 7,650 comparisons, FLUX.2; read from the text"
# whose pictures: Bradley-Terry score on an Elo scale (mean 1000)
FIGURE8 = MappingProxyType({
    "own": 1065,
    "others": 1038,
    "base": 1016,
    "HPSv3": 959,
    "Q-Align": 922,
})  # fmt: skip
