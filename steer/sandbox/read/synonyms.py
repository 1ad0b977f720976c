"""Words that are read but never written: short forms, moods, lenses, colors and praise.

`lexicon` holds the phrases of captions; these widen what a prompt may say.
"""

from __future__ import annotations

from typing import Final

from steer.sandbox.read.lexicon import Value

# fmt: off

# further words that mean the archetype when read; no caption uses them
SUBJECT_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "rocks": ("cliff", "pebble", "asteroid", "meteor", "island", "reef"),
    "tree": (
        "forest", "pine", "birch", "willow", "cherry tree", "palm tree", "bonsai", "treehouse", "plant",
    ),
    "mountain": (
        "volcano", "mountain range", "hill", "glacier", "waterfall", "valley", "canyon", "landscape",
    ),
    "cottage": (
        "home", "barn", "hut", "church", "village", "farmhouse", "building", "bridge", "shop", "windmill",
    ),
    "tower": ("castle", "skyscraper", "palace", "fortress", "cathedral", "clock tower", "rocket", "pagoda"),
    "city": ("town", "metropolis", "skyline", "street", "downtown", "harbor", "new york", "tokyo"),
    "arch": ("temple", "ruins", "ancient gate", "portal", "doorway", "aqueduct", "pyramid", "ziggurat"),
    "boat": ("ship", "canoe", "yacht", "galleon", "submarine", "airship", "gondola", "rowboat"),
    "car": ("truck", "motorcycle", "vehicle", "bus", "train", "bicycle", "airplane", "spaceship", "tractor"),
    "flower": (
        "rose", "tulip", "sunflower", "lotus", "bouquet", "field of flowers", "garden", "orchid", "daisy",
    ),
    "mushroom": ("fungus", "fungi", "toadstool house", "jellyfish", "umbrella", "coral"),
    "vase": (
        "pottery", "teapot", "cup", "bottle", "still life", "urn", "bowl", "chair", "violin", "book", "clock",
    ),
    "fruit": (
        "fruit", "bowl of fruit", "orange", "lemon", "pear", "grapes", "strawberry", "bread", "cake", "food",
        "vegetable", "coffee",
    ),
    "crystal": ("diamond", "quartz", "jewel", "amethyst", "ring", "ice", "watch", "perfume bottle"),
    "lantern": (
        "candle", "light bulb", "paper lantern", "street lamp", "torch", "balloon", "phone", "television",
    ),
    "figure": (
        "woman", "man", "girl", "boy", "child", "monk", "soldier", "wizard", "knight", "dancer", "astronaut",
        "robot", "old man", "king", "angel", "samurai", "face", "couple", "warrior", "fairy",
    ),
    "animal": (
        "cat", "dog", "horse", "bird", "fox", "wolf", "lion", "dragon", "elephant", "fish", "owl", "whale",
        "bear", "butterfly", "dinosaur", "creature", "monster", "rabbit", "insect", "unicorn",
    ),
    "sculpture": (
        "abstract shape", "sphere", "cube", "bust", "totem", "geometric shapes", "fountain", "machine",
    ),
}

# further words for a number when read
COUNT_WORDS: Final[dict[int, tuple[str, ...]]] = {
    1: ("1",),
    2: ("2", "couple of"),
    3: ("3", "group of", "few", "some", "bunch of"),
    4: ("4", "row of", "pile of", "stack of"),
    5: ("5", "lots of", "field of", "herd of", "flock of", "crowd of", "hundreds of", "six", "ten", "dozen"),
}

# the short and blunt ways to name a value, read only
SHORT: Final[dict[str, dict[Value | float, tuple[str, ...]]]] = {
    "lighting": {
        "midday": ("sunlight", "daylight", "noon", "sunlit", "harsh sun"),
        "golden": (
            "dusk", "dawn", "evening", "warm sunlight", "setting sun", "golden glow", "morning",
            "shafts of light", "dappled light",
        ),
        "overcast": ("overcast", "diffused", "even lighting", "softbox", "cloudy day"),
        "moonlight": ("moonlit", "stars", "milky way", "moon", "northern lights", "after dark"),
    "dramatic": (
        "spotlight", "low key", "hard light", "dark fantasy", "candlelight",
        "candle light", "dramatic", "side light",
    ),
        "neon": ("neon", "cyberpunk", "blade runner", "vaporwave", "futuristic lights"),
    },
    "weather": {
        "clear": ("cloudless",),
        "clouds": ("cloudy", "clouds", "dramatic sky", "moody sky"),
        "fog": ("mist", "foggy", "haze of morning", "steam"),
        "rain": ("wet", "raining", "drizzle", "lightning", "puddles"),
        "snowfall": ("snowstorm outside", "snow falling"),
    },
    "angle": {
        "low": ("worm eye", "view from below"),
        "eye": ("frontal", "front view", "side view", "straight on"),
        "high": ("view from above", "high vantage point"),
        "overhead": ("overhead", "top down", "aerial", "birds eye", "satellite view", "drone"),
        "tilted": ("tilted", "tilt", "diagonal", "skewed perspective"),
    },
    "palette": {
        "natural": ("earthy", "neutral colors", "muted greens"),
        "warm": ("warm", "warm hues", "autumnal", "red and gold"),
        "cool": ("cool", "cold", "cold colors", "blue", "teal", "icy"),
        "pastel": ("pastel", "pastel tones", "pale colors", "soft colors"),
        "vivid": ("rainbow", "multicolored", "vivid", "bright colors", "bold colors", "psychedelic"),
        "mono": ("noir", "b&w", "black white", "monochromatic", "desaturated to gray"),
    },
    "style": {
        "photo": ("photo", "photography", "photorealism", "35mm film", "realism", "lifelike", "film grain"),
        "digital": ("artstation", "3d", "fantasy art", "anime", "pixar", "unreal engine", "illustration"),
        "oil": ("impressionist", "monet", "van gogh", "brush strokes", "oil", "painting", "renaissance"),
        "watercolor": ("watercolour wash", "turner", "aquarelle painting"),
        "pointillism": ("pointillist", "seurat", "stippling", "dots"),
        "ink": (
            "ink", "charcoal", "pencil", "sketch", "engraving", "line art", "calligraphy",
            "woodblock print",
        ),
        "poster": ("vector", "flat design", "warhol", "graphic design", "comic", "stencil", "art deco"),
        "cubism": ("cubist", "picasso", "geometric", "abstract", "polygonal", "bauhaus", "kandinsky"),
    },
    "ground": {
        "grass": ("field", "grassy", "park", "prairie", "savannah", "field of flowers", "flower field"),
        "sand": ("shore", "coast", "dune", "mars surface"),
        "snow": ("snowfield", "ice", "frozen lake"),
        "water": ("waves", "pond", "swamp"),
        "rock": ("cliffside", "canyon floor", "rubble", "cave"),
        "forest": ("rainforest", "clearing", "undergrowth"),
        "street": ("road", "sidewalk", "market", "alleyway"),
        "studio": ("windowsill", "room", "white background", "interior", "museum", "kitchen", "desk"),
    },
    "distance": {
        0.05: ("macro", "microscopic"),
        0.5: ("full body",),
        0.75: ("wide angle", "wide", "long shot", "establishing shot"),
        0.95: ("vast empty landscape", "distance", "far away", "panorama", "vista"),
    },
    "place": {0.0: ("centered", "symmetrical"), 0.45: ("off center", "asymmetrical composition")},
    "saturation": {0.25: ("muted", "desaturated", "faded"), 0.75: ("saturated",), 0.95: ("vibrant",)},
    "contrast": {0.25: ("shadowless",), 0.75: ("contrast", "strong shadows", "dark shadows", "long shadows")},
    "brightness": {0.25: ("darkness", "shadows"), 0.72: ("airy", "radiant"), 0.92: ("glaring",)},
    "detail": {0.25: ("smooth", "simple"), 0.75: ("detailed", "textured"), 0.95: ("intricate",)},
    "dof": {0.95: ("depth of field", "shallow focus"), 0.05: ("focus stacking",)},
    "haze": {0.75: ("haze", "dusty air", "smoke")},
    "backdrop": {
        "mountains": ("mountains", "mountain range", "peaks", "snow-capped peaks", "snowy mountains"),
        "hills": ("hills", "rolling hills", "valley"),
        "woods": ("trees", "woodland"),
        "skyline": ("skyline", "cityscape", "city", "skyscrapers", "urban", "buildings"),
        "open": ("horizon", "endless sky", "open sky"),
    },
}

# axis -> value -> the values that it gives way to: a night with neon signs is lit by neon
YIELDS: Final[dict[str, dict[Value, tuple[Value, ...]]]] = {
    "lighting": {"moonlight": ("neon",), "midday": ("golden", "overcast", "dramatic")},
    "weather": {"clouds": ("fog", "rain", "snowfall"), "clear": ("clouds",)},
    "palette": {"natural": ("warm", "cool", "pastel", "vivid", "mono")},
    "style": {"digital": ("oil", "watercolor", "pointillism", "ink", "poster", "cubism")},
}

# phrases -> what they move, together; read only, and weaker than a phrase that names one setting
BLENDS: Final[tuple[tuple[tuple[str, ...], dict[str, Value | float]], ...]] = (
    (
        ("serene", "peaceful", "tranquil atmosphere", "calm mood", "zen"),
        {"contrast": 0.3, "saturation": 0.4, "lighting": "overcast", "detail": 0.35},
    ),
    (
        ("ominous", "sinister mood", "eerie", "horror", "menacing", "spooky"),
        {"lighting": "dramatic", "weather": "fog", "brightness": 0.2, "saturation": 0.3, "warmth": -0.3},
    ),
    (
        ("dreamy", "ethereal", "surreal dreamlike atmosphere", "magical", "whimsical", "fairytale"),
        {"haze": 0.6, "palette": "pastel", "contrast": 0.3, "dof": 0.5},
    ),
    (
        ("cozy", "homely warm feeling", "nostalgic", "romantic mood"),
        {"warmth": 0.6, "lighting": "golden", "contrast": 0.4},
    ),
    (
        ("melancholic", "sad mood", "gloomy", "lonely atmosphere", "somber"),
        {"lighting": "overcast", "weather": "rain", "saturation": 0.25, "warmth": -0.35, "brightness": 0.35},
    ),
    (
        ("epic", "majestic", "awe-inspiring", "breathtaking scale", "grand"),
        {"angle": "low", "distance": 0.75, "contrast": 0.7, "weather": "clouds", "lighting": "golden"},
    ),
    (
        ("moody atmosphere", "moody", "mysterious", "brooding", "atmospheric"),
        {"lighting": "dramatic", "brightness": 0.28, "contrast": 0.65, "haze": 0.55, "saturation": 0.35},
    ),
    (
        ("cheerful", "joyful", "playful mood", "happy"),
        {"brightness": 0.72, "saturation": 0.75, "lighting": "midday"},
    ),
    (
        ("cinematic", "movie still", "film still", "blockbuster look"),
        {"lighting": "dramatic", "contrast": 0.7, "style": "photo", "dof": 0.55},
    ),
    (
        ("minimalist", "minimalism", "negative space", "clean lines"),
        {"detail": 0.12, "distance": 0.7},
    ),
    (
        ("vintage", "retro look", "1970s kodak", "old faded photograph", "polaroid", "sepia"),
        {"style": "photo", "saturation": 0.3, "warmth": 0.5, "contrast": 0.35},
    ),
    (("autumn", "fall season"), {"palette": "warm", "backdrop": "woods", "warmth": 0.5}),
    (("winter", "wintry", "arctic"), {"ground": "snow", "warmth": -0.45}),
    (("spring", "springtime"), {"ground": "grass", "palette": "pastel"}),
    (("summer", "summertime"), {"lighting": "midday", "saturation": 0.7}),
    (("blue hour", "after sunset"), {"lighting": "moonlight", "brightness": 0.35, "warmth": -0.5}),
    (("blue sky",), {"lighting": "midday", "weather": "clear"}),
    (("stormy", "tempest"), {"weather": "rain", "lighting": "dramatic"}),
    (("portrait", "portrait photography", "85mm portrait lens", "85mm"), {"dof": 0.8, "distance": 0.25}),
    (("telephoto lens", "telephoto", "200mm"), {"dof": 0.75, "distance": 0.3}),
    (("50mm", "50mm lens", "standard lens"), {"dof": 0.45, "distance": 0.45}),
    (("35mm", "35mm lens"), {"distance": 0.58, "dof": 0.3}),
    (("24mm", "24mm wide angle", "14mm", "fisheye", "ultra wide angle"), {"distance": 0.85, "dof": 0.1}),
    (
        ("infinity horizon", "vast landscape", "endless horizon", "sense of scale"),
        {"backdrop": "open", "distance": 0.8},
    ),
    (("tilt shift", "miniature effect"), {"dof": 0.9, "angle": "high"}),
    (("long exposure",), {"detail": 0.2, "dof": 0.1}),
    (("lens flare", "sun rays", "volumetric light"), {"lighting": "golden", "haze": 0.6}),
    (("8k", "4k", "uhd", "sharp", "hdr", "crisp details"), {"detail": 0.85}),
    (("sharp focus", "in focus"), {"detail": 0.75, "dof": 0.15}),
    (("soft", "soft focus", "gentle"), {"contrast": 0.3, "detail": 0.3}),
    (("blurry", "bokeh"), {"dof": 0.85}),
    (("silhouette", "backlit", "backlighting"), {"lighting": "golden", "contrast": 0.85, "brightness": 0.35}),
    (("floating on water", "floating on lake", "floating on river"), {"floating": False, "ground": "water"}),
    (("golden ratio",), {"place": 0.25}),
    (("sunset over ocean", "ocean sunset"), {"ground": "water", "lighting": "golden"}),
)

# colors of the whole picture, meant as surely as a named palette
TONES: Final[tuple[tuple[tuple[str, ...], dict[str, Value | float]], ...]] = (
    (
        ("teal and orange", "orange and teal", "blue and orange"),
        {"palette": "vivid", "warmth": 0.1, "contrast": 0.65},
    ),
    (
        ("purple hue", "purple tones", "violet tint", "lavender glow", "purple and pink"),
        {"palette": "cool", "warmth": -0.25},
    ),
    (("pink hue", "pink tones", "rose tint"), {"palette": "pastel", "warmth": 0.3}),
    (("blue tones", "blue tint", "blue light", "shades of blue"), {"palette": "cool", "warmth": -0.55}),
    (("green hue", "green tint", "emerald light"), {"palette": "natural", "warmth": -0.1}),
    (("red tones", "red light", "crimson tint"), {"palette": "warm", "warmth": 0.7}),
    (("orange hue", "yellow tones", "amber tint"), {"palette": "warm", "warmth": 0.6}),
    (("brown tones", "sepia tones"), {"palette": "warm", "saturation": 0.3, "warmth": 0.45}),
)

# praise that prompts are full of and that says nothing about the picture
EMPTY_PRAISE: Final[tuple[str, ...]] = (
    "masterpiece", "best quality", "award winning", "beautiful", "stunning", "amazing", "perfect", "trending",
    "high quality", "gorgeous", "elegant", "famous artist", "unique", "aesthetic", "popular", "creative",
    "high resolution", "composition", "background", "foreground", "image", "color", "light", "camera",
    "lens", "shot", "texture", "style", "atmosphere", "mood", "art",
    "reflections", "standing", "sitting",
)

# fmt: on
