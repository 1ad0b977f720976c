"""The words for every choice of a `Scene`: one vocabulary for the reader and for the captions.

Captions say with these phrases what a painting shows; the reader looks for them in prompts, and for more in
`synonyms`. Phrases are in American spelling; the reader folds British spelling into it.
"""

from __future__ import annotations

from typing import Final

Value = str | bool | int

# Tables, wrapped to be read: one value a line, not one word a line.
# fmt: off

# (singular, plural); the first is the usual name
SUBJECT_NOUNS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "rocks": (
        ("rock", "rocks"), ("boulder", "boulders"), ("stone", "stones"),
        ("rock formation", "rock formations"),
    ),
    "tree": (("tree", "trees"), ("oak tree", "oak trees"), ("old tree", "old trees")),
    "mountain": (
        ("mountain", "mountains"), ("mountain peak", "mountain peaks"), ("rugged peak", "rugged peaks"),
    ),
    "cottage": (("cottage", "cottages"), ("house", "houses"), ("cabin", "cabins")),
    "tower": (("tower", "towers"), ("castle tower", "castle towers"), ("lighthouse", "lighthouses")),
    "city": (("city", "cities"), ("modern city", "modern cities"), ("cityscape", "cityscapes")),
    "arch": (("arch", "arches"), ("archway", "archways"), ("ancient arch", "ancient arches")),
    "boat": (("boat", "boats"), ("sailboat", "sailboats"), ("fishing boat", "fishing boats")),
    "car": (("car", "cars"), ("automobile", "automobiles"), ("vintage car", "vintage cars")),
    "flower": (("flower", "flowers"), ("blossom", "blossoms"), ("blooming flower", "blooming flowers")),
    "mushroom": (
        ("mushroom", "mushrooms"), ("toadstool", "toadstools"), ("giant mushroom", "giant mushrooms"),
    ),
    "vase": (("vase", "vases"), ("ceramic pot", "ceramic pots"), ("jug", "jugs")),
    "fruit": (("piece of fruit", "pieces of fruit"), ("ripe fruit", "ripe fruits"), ("apple", "apples")),
    "crystal": (("crystal", "crystals"), ("gemstone", "gemstones"), ("faceted crystal", "faceted crystals")),
    "lantern": (("lantern", "lanterns"), ("lamp", "lamps"), ("glowing lantern", "glowing lanterns")),
    "figure": (
        ("person", "people"), ("human figure", "human figures"), ("standing figure", "standing figures"),
    ),
    "animal": (("animal", "animals"), ("deer", "deer"), ("wild animal", "wild animals")),
    "sculpture": (
        ("sculpture", "sculptures"), ("statue", "statues"), ("abstract sculpture", "abstract sculptures"),
    ),
}

# adjectives that stand before the noun, in captions and prompts
MATERIAL_ADJECTIVES: Final[dict[str, tuple[str, ...]]] = {
    "plain": (),
    "moss": ("mossy", "moss-covered", "overgrown"),
    "stone": ("stone", "carved stone", "stony"),
    "wood": ("wooden", "carved wooden", "timber"),
    "gold": ("golden", "gilded", "gold"),
    "glass": ("glass", "translucent glass", "transparent"),
    "snow": ("snow-covered", "snowy", "snow-capped"),
}

VALUES: Final[dict[str, dict[Value, tuple[str, ...]]]] = {
    "material": {
        "plain": ("with its natural surface", "with a bare natural surface"),
        "moss": ("covered in moss", "green with moss", "overgrown with moss", "mossy texture"),
        "stone": ("made of stone", "carved from rock", "granite", "marble"),
        "wood": ("made of wood", "wood grain", "carved from wood", "weathered timber"),
        "gold": ("made of gold", "covered in gold leaf", "shiny gold metal", "polished brass"),
        "glass": ("made of glass", "see-through glass", "translucent", "crystal clear glass"),
        "snow": ("covered in snow", "dusted with snow", "frosted", "capped with snow"),
    },
    "floating": {
        True: (
            "floating in the air", "levitating", "hovering above the ground", "suspended in midair",
            "floating in the sky", "weightless", "defying gravity",
        ),
        False: ("resting on the ground", "standing on solid ground", "firmly on the ground"),
    },
    "ground": {
        "grass": (
            "on green grass", "in a meadow", "on a grassy field", "in a grassy valley", "on a lawn",
            "in a field of wildflowers", "on rolling pasture",
        ),
        "sand": (
            "on sand", "on a sandy beach", "in the desert", "among sand dunes", "on the seashore sand",
            "on a dry sandy plain", "by the beach",
        ),
        "snow": (
            "on snowy ground", "in the snow", "on a field of snow", "in a winter landscape",
            "on fresh white snow", "on frozen tundra", "in deep snow",
        ),
        "water": (
            "on the water", "on a calm lake", "in the sea", "above the ocean", "on a river",
            "reflected in still water", "with water reflections", "by the lake",
        ),
        "rock": (
            "on bare rock", "on rocky ground", "on stony terrain", "on a rocky cliff", "on a stone slab",
            "on rugged rocks", "on a rocky shore",
        ),
        "forest": (
            "in a forest", "on the forest floor", "in the woods", "on a mossy forest floor", "in a jungle",
            "among ferns and leaves", "in an enchanted forest",
        ),
        "street": (
            "on a street", "on a city street", "on the pavement", "on asphalt", "on a cobblestone road",
            "in an alley", "in a town square",
        ),
        "studio": (
            "in a studio", "on a plain studio background", "on a seamless backdrop", "on a table",
            "product shot on a plain background", "indoors", "against a blank background",
            "isolated on white",
        ),
    },
    "backdrop": {
        "open": (
            "with an open horizon", "under an empty sky", "with a wide open background",
            "flat horizon behind", "infinite horizon", "nothing but sky behind", "an endless plain behind",
        ),
        "hills": (
            "with hills behind", "rolling hills in the background", "gentle green hills", "hilly background",
            "distant hills on the horizon", "soft hills in the distance",
        ),
        "mountains": (
            "with mountains behind", "mountains in the background", "distant snowy peaks", "alpine backdrop",
            "a mountain range on the horizon", "towering mountains in the distance", "jagged peaks behind",
        ),
        "woods": (
            "with trees behind", "trees in the background", "a forest in the background",
            "a line of trees behind", "dense woods behind", "woodland backdrop", "dark forest backdrop",
        ),
        "skyline": (
            "with a city skyline behind", "city skyline in the background", "skyscrapers in the distance",
            "urban backdrop", "buildings in the background", "downtown skyline on the horizon",
        ),
    },
    "lighting": {
        "midday": (
            "midday sun", "bright daylight", "in broad daylight", "clear daytime light", "sunny day",
            "noon light", "bright sunlight", "natural daylight", "sunny",
        ),
        "golden": (
            "golden hour", "warm sunset glow", "at sunset", "at sunrise", "dawn light", "warm evening light",
            "golden light", "low sun at dusk", "sunbeams", "backlit by the setting sun",
            "early morning light", "twilight", "god rays",
        ),
        "overcast": (
            "overcast sky", "soft diffused light", "flat even light", "gray cloudy daylight", "soft lighting",
            "diffuse lighting", "shadowless light", "gentle ambient light", "gray day",
        ),
        "moonlight": (
            "in moonlight", "at night", "moonlit night", "under the full moon", "blue night light",
            "starry night", "nocturne", "midnight", "night sky", "night scene",
        ),
        "dramatic": (
            "dramatic lighting", "chiaroscuro", "low-key lighting", "a single spotlight in darkness",
            "rim light", "rembrandt lighting", "strong side light", "deep dark shadows", "cinematic lighting",
            "studio spotlight",
        ),
        "neon": (
            "neon lights", "neon glow", "cyberpunk lighting", "glowing magenta and cyan lights",
            "colored club lights", "lit by neon signs", "synthwave", "bioluminescent glow",
            "ultraviolet light", "electric glow",
        ),
    },
    "weather": {
        "clear": (
            "clear sky", "clear weather", "cloudless sky", "fine weather", "crisp clear air",
            "not a cloud in sight",
        ),
        "clouds": (
            "cloudy sky", "dramatic clouds", "scattered clouds", "billowing clouds", "cumulus clouds",
            "stormy clouds", "clouds in the sky",
        ),
        "fog": (
            "in fog", "thick fog", "misty", "morning mist", "shrouded in mist", "foggy weather",
            "rolling mist",
        ),
        "rain": (
            "in the rain", "rainy", "heavy rain", "rainstorm", "raindrops falling", "wet rainy weather",
            "downpour", "thunderstorm",
        ),
        "snowfall": (
            "falling snow", "snowfall", "snowing", "snowflakes in the air", "blizzard", "snowstorm",
            "light snow drifting down",
        ),
    },
    "angle": {
        "low": (
            "low angle", "low angle shot", "seen from below", "worm's-eye view", "looking up",
            "from ground level", "towering above the viewer", "upward view",
        ),
        "eye": (
            "eye level", "eye-level view", "straight-on view", "frontal view", "at eye height",
            "level camera", "seen straight ahead",
        ),
        "high": (
            "high angle", "high angle shot", "seen from above", "looking down", "elevated viewpoint",
            "from a hilltop", "downward view",
        ),
        "overhead": (
            "overhead view", "top-down view", "bird's-eye view", "aerial view", "drone shot", "flat lay",
            "seen from directly above",
        ),
        "tilted": (
            "tilted camera", "dutch angle", "tilted horizon", "canted frame", "slanted view",
            "diagonal composition", "crooked horizon", "dynamic angle",
        ),
    },
    "palette": {
        "natural": (
            "natural colors", "true-to-life colors", "earth tones", "realistic colors",
            "neutral color palette", "neutral tones", "green tones",
        ),
        "warm": (
            "warm colors", "warm color palette", "reds and oranges", "amber and gold tones", "autumn colors",
            "warm tones", "orange and yellow hues", "fiery colors",
        ),
        "cool": (
            "cool colors", "cool color palette", "blues and greens", "cold blue tones", "teal tones",
            "cool tones", "blue hues", "icy blue palette",
        ),
        "pastel": (
            "pastel colors", "soft pastel palette", "pale delicate colors", "candy pastel hues",
            "powdery tints", "soft pink and lavender", "pale pastel shades",
        ),
        "vivid": (
            "vivid colors", "bold bright colors", "rainbow palette", "saturated color palette", "colorful",
            "electric colors", "brilliant colors", "psychedelic colors",
        ),
        "mono": (
            "black and white", "monochrome", "grayscale", "in shades of gray",
            "colorless black-and-white palette", "noir black and white", "without any color",
        ),
    },
    "style": {
        "photo": (
            "photorealistic", "a photograph", "DSLR photograph", "35mm film photo",
            "national geographic photo", "hyperrealistic", "realistic photo", "documentary photography",
            "raw photo", "kodak portra film", "professional photography", "realistic", "analog film",
        ),
        "digital": (
            "digital art", "concept art", "trending on artstation", "CGI", "3D render",
            "fantasy illustration", "unreal engine render", "octane render", "matte painting",
            "video game art", "digital painting", "anime illustration",
        ),
        "oil": (
            "oil painting", "impressionist painting", "in the style of Monet", "thick brush strokes",
            "oil on canvas", "impasto", "Van Gogh style", "expressive brushwork", "impressionism",
            "classical painting", "romantic landscape painting", "painterly",
        ),
        "watercolor": (
            "watercolor painting", "watercolor", "loose watercolor wash", "aquarelle",
            "wet-on-wet watercolor", "delicate watercolor on paper", "Turner watercolor", "gouache",
        ),
        "pointillism": (
            "pointillism", "pointillist painting", "in the style of Seurat", "painted with tiny dots",
            "dots of pure color", "stippled painting", "divisionism", "neo-impressionist",
        ),
        "ink": (
            "ink drawing", "sumi-e", "ink wash painting", "charcoal sketch", "etching", "pen and ink",
            "pencil drawing", "line drawing", "black ink on paper", "woodcut engraving",
        ),
        "poster": (
            "pop art", "flat vector art", "minimalist poster", "screen print", "retro travel poster",
            "flat graphic design", "Andy Warhol", "bold flat shapes", "comic book style", "ukiyo-e print",
        ),
        "cubism": (
            "cubist painting", "cubism", "in the style of Picasso", "geometric facets", "Braque",
            "fragmented planes", "abstract geometric painting", "abstract art", "low poly",
        ),
    },
}

COUNTS: Final[dict[int, tuple[str, ...]]] = {
    1: ("one", "a single", "a lone", "a solitary"),
    2: ("two", "a pair of", "twin"),
    3: ("three", "a trio of", "a small group of"),
    4: ("four", "several", "a handful of"),
    5: ("five", "many", "a cluster of"),
}

# "an oil painting of ...": how captions open with a style; the reader takes what follows as the subject
STYLE_OPENERS: Final[dict[str, tuple[str, ...]]] = {
    "photo": ("a photo of", "a photograph of", "a realistic photo of"),
    "digital": ("digital art of", "a 3D render of", "concept art of"),
    "oil": ("an oil painting of", "an impressionist painting of", "an oil on canvas of"),
    "watercolor": ("a watercolor of", "a watercolor painting of"),
    "pointillism": ("a pointillist painting of", "a stippled painting of"),
    "ink": ("an ink drawing of", "a charcoal sketch of", "an etching of"),
    "poster": ("a pop art print of", "a flat vector poster of", "a screen print of"),
    "cubism": ("a cubist painting of", "a geometric abstract painting of"),
}

# axis -> five levels from low to high: (level, phrases)
LEVELS: Final[dict[str, tuple[tuple[float, tuple[str, ...]], ...]]] = {
    "distance": (
        (0.05, ("extreme close-up", "macro shot", "macro photography", "filling the whole frame")),
        (0.25, ("close-up", "tight framing", "seen from nearby", "close shot")),
        (0.5, ("medium shot", "seen from a few steps away", "at a middle distance", "mid shot")),
        (0.75, ("wide shot", "wide angle view", "seen from afar", "wide angle lens", "full scene view")),
        (0.95, ("distant wide shot", "tiny in a vast landscape", "panoramic view", "far in the distance")),
    ),
    "place": (
        (-0.9, ("at the left edge of the picture", "far left of the frame", "on the extreme left")),
        (-0.45, ("left of center", "placed on the left third", "off-center to the left")),
        (0.0, ("centered composition", "in the center of the frame", "symmetrical composition", "symmetry")),
        (0.45, (
            "right of center", "placed on the right third", "off-center to the right", "rule of thirds",
        )),
        (0.9, ("at the right edge of the picture", "far right of the frame", "on the extreme right")),
    ),
    "saturation": (
        (0.05, ("almost colorless", "drained of color", "nearly gray colors", "bleached colors")),
        (0.25, ("muted colors", "desaturated tones", "subdued colors", "faded colors", "dull colors")),
        (0.5, ("moderate colors", "balanced saturation", "medium color intensity")),
        (0.75, ("rich colors", "saturated colors", "lively colors", "deep colors")),
        (0.95, (
            "intensely saturated colors", "extremely vibrant colors", "vibrant colors", "blazing color",
        )),
    ),
    "contrast": (
        (0.05, ("very low contrast", "washed out", "almost no contrast", "flat faded tones")),
        (0.25, ("low contrast", "soft contrast", "gentle soft tones", "soft shadows")),
        (0.5, ("moderate contrast", "balanced contrast", "medium contrast")),
        (0.75, ("high contrast", "strong contrast", "punchy tones", "deep shadows")),
        (0.95, (
            "extreme contrast", "stark contrast of black and white", "harsh contrast", "very high contrast",
        )),
    ),
    "brightness": (
        (0.08, ("very dark", "almost black", "pitch dark", "barely lit")),
        (0.25, ("dark", "dim", "dimly lit", "shadowy", "underexposed")),
        (0.5, ("medium brightness", "evenly exposed", "mid-tone exposure")),
        (0.72, ("bright", "well lit", "luminous", "brightly lit")),
        (0.92, ("very bright", "high-key", "blown-out light", "overexposed", "brilliant white light")),
    ),
    "warmth": (
        (-0.9, ("ice cold color temperature", "very cold blue cast", "freezing blue tint")),
        (-0.45, ("cool color temperature", "cool bluish tint", "cold light", "slightly blue")),
        (0.0, ("neutral white balance", "neutral color temperature", "neither warm nor cold")),
        (0.45, ("warm color temperature", "slightly warm tint", "warm light", "warm glow")),
        (0.9, ("very warm orange cast", "burning orange light", "glowing hot orange tint")),
    ),
    "detail": (
        (0.05, ("very smooth surfaces", "hardly any detail", "plain simple shapes", "minimal detail")),
        (0.25, (
            "smooth texture", "simple shapes", "soft simple surfaces", "little texture", "clean and simple",
        )),
        (0.5, ("moderate detail", "some texture", "medium detail")),
        (0.75, ("detailed texture", "finely textured", "rich in detail", "textured surfaces")),
        (0.95, ("highly detailed", "intricate details", "ultra detailed 8k", "extremely fine texture")),
    ),
    "dof": (
        (0.05, (
            "everything in sharp focus", "deep focus", "f/16", "sharp from front to back",
            "deep depth of field",
        )),
        (0.25, ("mostly in focus", "f/8", "background slightly soft", "large depth of field")),
        (0.5, ("f/4", "moderately soft background", "gently blurred background")),
        (0.75, ("blurred background", "shallow depth of field", "soft bokeh", "f/2.8")),
        (0.95, (
            "creamy bokeh", "very shallow depth of field", "f/1.4", "background completely out of focus",
        )),
    ),
    "haze": (
        (0.05, ("crystal clear air", "no haze", "perfect visibility", "crisp distance")),
        (0.25, ("hardly any haze", "slightly hazy distance", "thin air haze")),
        (0.5, ("some haze", "moderate haze in the distance", "atmospheric perspective")),
        (0.75, ("hazy", "hazy atmosphere", "misty distance", "atmospheric haze")),
        (0.95, ("dense haze", "thick haze swallowing the background", "distance lost in haze", "smoky air")),
    ),
    "strength": (
        (0.05, ("barely stylized", "very subtle stylization", "only a hint of style")),
        (0.25, ("lightly stylized", "subtle style", "restrained rendering")),
        (0.5, ("moderately stylized", "medium stylization")),
        (0.75, ("strongly stylized", "stylized", "bold stylization")),
        (0.95, ("extremely stylized", "heavily stylized", "exaggerated style")),
    ),
}

# fmt: on
