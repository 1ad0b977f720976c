"""Writes base_prompts.txt: 200 short prompts; a third name things that the painter has no archetype for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

KNOWN = """
mossy rocks, a boulder, an old oak tree, a cherry tree in blossom, a mountain peak, a volcano,
a cottage, a log cabin, a lighthouse, a stone tower, a city skyline, skyscrapers, a stone arch,
a sailing boat, a fishing boat, a vintage car, a red car, a rose, a sunflower, a toadstool,
wild mushrooms, a clay vase, a blue vase, a bowl of oranges, a fruit bowl, an amethyst crystal,
a cluster of crystals, a paper lantern, an iron lantern, a woman in a coat, a man with a hat,
a fox, a deer, a dog, an abstract sculpture, a bronze sculpture, floating islands of rock,
a golden vase, a glass tower, a wooden cabin
"""
UNKNOWN = """
a dragon, a trumpet, a locomotive, a violin, an astronaut, a chess set, a windmill,
a hot air balloon, a coral reef, a grand piano, a robot, a bicycle, a teapot, a ballet dancer,
a waterfall, a typewriter, a peacock, a pirate flag
"""
PLACES = ("", "", " in the mountains", " by the sea", " in a forest", " on a street", " in the snow")


def main() -> None:
    rng = np.random.default_rng(20262)
    prompts: list[str] = []
    while len(prompts) < 200:
        things = (UNKNOWN if len(prompts) % 3 == 2 else KNOWN).replace("\n", " ").split(",")
        prompt = str(rng.choice(things)).strip() + str(rng.choice(PLACES))
        if prompt not in prompts:
            prompts.append(prompt)
    Path(__file__).with_name("base_prompts.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
