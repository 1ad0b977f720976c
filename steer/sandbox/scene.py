"""What a painting shows: the record between the reader, the painter and the raters.

A `Scene` names every choice that the painter makes. The reader turns a prompt into a distribution over
scenes, the painter turns one scene into pixels, and the raters take a scene's semantics from here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

# subject archetype -> the PAMELA metadata group that an image of it is filed under
SUBJECTS: dict[str, str] = {
    "rocks": "landscape",
    "tree": "landscape",
    "mountain": "landscape",
    "cottage": "architecture",
    "tower": "architecture",
    "city": "cityscape",
    "arch": "travel",
    "boat": "travel",
    "car": "automotive",
    "flower": "flower painting",
    "mushroom": "special",
    "vase": "still life",
    "fruit": "food",
    "crystal": "product",
    "lantern": "product",
    "figure": "portrait",
    "animal": "animal",
    "sculpture": "abstract",
}
MATERIALS = ("plain", "moss", "stone", "wood", "gold", "glass", "snow")  # "plain": the subject's own colours
GROUNDS = ("grass", "sand", "snow", "water", "rock", "forest", "street", "studio")
BACKDROPS = ("open", "hills", "mountains", "woods", "skyline")
LIGHTINGS = ("midday", "golden", "overcast", "moonlight", "dramatic", "neon")
WEATHERS = ("clear", "clouds", "fog", "rain", "snowfall")
ANGLES = ("low", "eye", "high", "overhead", "tilted")
PALETTES = ("natural", "warm", "cool", "pastel", "vivid", "mono")

# style -> (PAMELA metadata style, or None for photorealism; how real it looks, 0-1)
STYLES: dict[str, tuple[str | None, float]] = {
    "photo": (None, 1.0),
    "digital": ("Contemporary_Realism", 0.65),
    "oil": ("Impressionism", 0.45),
    "watercolor": ("Romanticism", 0.35),
    "pointillism": ("Pointillism", 0.25),
    "ink": ("Symbolism", 0.15),
    "poster": ("Pop_Art", 0.1),
    "cubism": ("Synthetic_Cubism", 0.0),
}

# lighting -> mean (brightness, warmth, contrast, saturation) of a scene that says nothing else about them
LIGHTING_LOOK: dict[str, tuple[float, float, float, float]] = {
    "midday": (0.68, 0.05, 0.50, 0.55),
    "golden": (0.54, 0.65, 0.55, 0.60),
    "overcast": (0.58, -0.10, 0.30, 0.35),
    "moonlight": (0.20, -0.60, 0.45, 0.40),
    "dramatic": (0.25, 0.20, 0.85, 0.45),
    "neon": (0.32, -0.10, 0.65, 0.85),
}
# palette -> shift of (warmth, saturation, brightness)
PALETTE_LOOK: dict[str, tuple[float, float, float]] = {
    "natural": (0.0, 0.0, 0.0),
    "warm": (0.55, 0.05, 0.0),
    "cool": (-0.55, 0.0, 0.0),
    "pastel": (0.05, -0.12, 0.18),
    "vivid": (0.0, 0.42, 0.03),
    "mono": (0.0, -1.0, 0.0),
}


@dataclass(frozen=True)
class Scene:
    """One painting's settings. Floats are 0-1 unless a comment says otherwise."""

    seed: int  # draws shapes, textures and clouds; never a setting below
    subject: str  # key of SUBJECTS
    material: str  # in MATERIALS
    floating: bool  # the subject hovers above the ground
    count: int  # 1-5 instances
    ground: str  # in GROUNDS
    backdrop: str  # in BACKDROPS; a studio ground has none
    lighting: str  # in LIGHTINGS
    weather: str  # in WEATHERS
    angle: str  # in ANGLES
    distance: float  # 0 close-up - 1 far away
    place: float  # -1 left edge - 0 centre - 1 right edge
    palette: str  # in PALETTES
    saturation: float
    contrast: float
    brightness: float
    warmth: float  # -1 cold - 1 warm
    detail: float  # fineness of texture
    dof: float  # 0 all sharp - 1 background far out of focus
    haze: float  # aerial perspective
    style: str  # key of STYLES
    strength: float  # how strongly the style is applied

    @property
    def realism(self) -> float:
        """0 abstract - 1 photograph, from the style and how strongly it is applied."""
        return 1.0 - (1.0 - STYLES[self.style][1]) * (0.5 + 0.5 * self.strength)

    @property
    def group(self) -> str:
        return SUBJECTS[self.subject]

    @property
    def type(self) -> str:
        return "Photorealism" if self.style == "photo" else "Art"

    def metadata(self, prompt: str) -> dict[str, str | None]:
        """PAMELA's `image_metadata` of this painting."""
        return {"prompt": prompt, "group": self.group, "style": STYLES[self.style][0], "type": self.type}


FIELDS = tuple(f.name for f in fields(Scene))


def draw(rng: np.random.Generator, *, house_style: bool = False, **fixed: Any) -> Scene:
    """Draw a scene at random with the settings in `fixed` held.

    With `house_style`, what is open is drawn around the default "digital art" look that an image model
    gives to a bare prompt; otherwise over the whole world. Numeric settings that are open follow the
    lighting and the palette, as they do in pictures.
    """
    unknown = set(fixed) - set(FIELDS)
    if unknown:
        raise TypeError(f"a scene has no {sorted(unknown)}; its settings are {', '.join(FIELDS)}")

    def pick(name: str, values: tuple[str, ...], weights: tuple[float, ...] | None = None) -> str:
        p = None if weights is None else np.array(weights) / sum(weights)
        choice = values[
            int(rng.choice(len(values), p=p))
        ]  # drawn even if fixed: one setting never moves another
        return str(fixed.get(name, choice))

    def level(name: str, mean: float, sd: float, low: float = 0.0) -> float:
        value = float(np.clip(mean + sd * rng.standard_normal(), low, 1.0))
        return float(fixed.get(name, value))

    home = house_style
    seed = int(fixed.get("seed", rng.integers(2**31)))
    subject = pick("subject", tuple(SUBJECTS))
    material = pick("material", MATERIALS, (8, 0, 1, 0, 0, 0, 0) if home else (8, 1, 1, 1, 1, 1, 1))
    natural_ground = {"boat": "water", "city": "street", "car": "street", "vase": "studio", "fruit": "studio"}
    ground = pick("ground", GROUNDS)
    natural = rng.random() < (0.9 if home else 0.6)
    if "ground" not in fixed and subject in natural_ground and natural:
        ground = natural_ground[subject]
    lighting = pick("lighting", LIGHTINGS, (4, 1, 4, 0.3, 0.5, 0.4) if home else (3, 3, 3, 2, 2, 1.5))
    palette = pick("palette", PALETTES, (6, 1, 1, 0.5, 1.5, 0.0) if home else (5, 2, 2, 2, 2, 1))
    style = pick(
        "style", tuple(STYLES), (0, 1, 0, 0, 0, 0, 0, 0) if home else (5, 2, 2, 2, 1.5, 1.5, 1.5, 1.5)
    )
    brightness, warmth, contrast, saturation = LIGHTING_LOOK[lighting]
    d_warmth, d_saturation, d_brightness = PALETTE_LOOK[palette]
    spread = 0.06 if home else 0.16
    return Scene(
        seed=seed,
        subject=subject,
        material=material,
        floating=bool(fixed.get("floating", rng.random() < (0.0 if home else 0.12))),
        count=int(fixed.get("count", rng.choice((1, 2, 3, 4, 5), p=(0.6, 0.12, 0.16, 0.07, 0.05)))),
        ground=ground,
        backdrop=pick("backdrop", BACKDROPS),
        lighting=lighting,
        weather=pick("weather", WEATHERS, (4, 4, 0.6, 0.2, 0.2) if home else (5, 5, 2, 1, 1)),
        angle=pick("angle", ANGLES, (0.7, 6, 0.9, 0.2, 0.2) if home else (3, 4, 3, 2, 2)),
        distance=level("distance", 0.5, 0.1 if home else 0.27),
        place=level("place", 0.0, 0.12 if home else 0.45, -1.0),
        palette=palette,
        saturation=level("saturation", saturation + d_saturation, spread) * (palette != "mono"),
        contrast=level("contrast", contrast, spread),
        brightness=level("brightness", brightness + d_brightness, spread),
        warmth=level("warmth", warmth + d_warmth, spread, -1.0),
        detail=level("detail", 0.4, 0.1 if home else 0.28),
        dof=level("dof", 0.2, 0.1 if home else 0.3),
        haze=level("haze", 0.3, 0.1 if home else 0.25),
        style=style,
        strength=level("strength", 0.6, 0.12 if home else 0.22),
    )
