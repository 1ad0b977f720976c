"""The words for every choice of a `Scene`: one vocabulary for the reader and for the captions.

`VALUES` and `LEVELS` name one setting each and are used in both directions; captions say what a painting
shows with them, the reader looks for them in prompts. `BLENDS` name several settings at once (moods, lenses,
colours) and are only read. Phrases are in American spelling; the reader folds British spelling into it.
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
        "woman", "man", "girl", "boy", "child", "wizard", "knight", "dancer", "astronaut",
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
        "plain": ("in natural colors", "with its natural surface"),
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

# further words for a number when read
COUNT_WORDS: Final[dict[int, tuple[str, ...]]] = {
    1: ("1",),
    2: ("2", "couple of"),
    3: ("3", "group of", "few", "some", "bunch of"),
    4: ("4", "row of", "pile of", "stack of"),
    5: ("5", "lots of", "field of", "herd of", "flock of", "crowd of", "hundreds of", "six", "ten", "dozen"),
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

# the short and blunt ways to name a value, read only
SHORT: Final[dict[str, dict[Value | float, tuple[str, ...]]]] = {
    "lighting": {
        "midday": ("sunlight", "daylight", "noon", "sunlit", "harsh sun"),
        "golden": ("dusk", "dawn", "evening", "warm sunlight", "setting sun", "golden glow", "morning"),
        "overcast": ("overcast", "diffused", "even lighting", "softbox", "cloudy day"),
        "moonlight": ("moonlit", "stars", "milky way", "moon", "northern lights"),
        "dramatic": ("spotlight", "low key", "hard light", "dark fantasy", "candlelight", "candle light"),
        "neon": ("neon", "cyberpunk", "blade runner", "vaporwave", "futuristic lights"),
    },
    "weather": {
        "clear": ("cloudless",),
        "clouds": ("cloudy", "clouds", "dramatic sky", "moody sky"),
        "fog": ("mist", "foggy", "fog", "haze of morning", "steam"),
        "rain": ("wet", "raining", "drizzle", "lightning", "puddles"),
        "snowfall": ("snowstorm outside", "snowflakes"),
    },
    "angle": {
        "low": ("worm eye", "view from below", "shot from below"),
        "eye": ("frontal", "front view", "side view", "straight on"),
        "high": ("view from above", "shot from above", "high vantage point"),
        "overhead": ("overhead", "top down", "aerial", "birds eye", "satellite view", "drone"),
        "tilted": ("tilted", "tilt", "diagonal", "skewed perspective"),
    },
    "palette": {
        "natural": ("earthy", "neutral colors", "muted greens"),
        "warm": ("warm", "warm hues", "autumnal", "red and gold"),
        "cool": ("cool", "cold", "cold colors", "blue", "teal", "blue and green", "icy"),
        "pastel": ("pastel", "pastels", "pastel tones", "pale colors", "soft colors"),
        "vivid": ("rainbow", "multicolored", "vivid", "bright colors", "bold colors", "psychedelic"),
        "mono": ("noir", "b&w", "black white", "monochromatic", "desaturated to gray"),
    },
    "style": {
        "photo": ("photo", "photography", "photorealism", "35mm film", "realism", "lifelike", "film grain"),
        "digital": ("artstation", "3d", "fantasy art", "anime", "pixar", "unreal engine", "illustration"),
        "oil": ("impressionist", "monet", "van gogh", "brush strokes", "oil", "painting", "renaissance"),
        "watercolor": ("watercolour wash", "turner", "aquarelle painting"),
        "pointillism": ("pointillist", "seurat", "stippling", "dots"),
        "ink": ("ink", "charcoal", "pencil", "sketch", "engraving", "line art", "calligraphy", "woodcut"),
        "poster": ("vector", "flat design", "warhol", "graphic design", "comic", "stencil", "art deco"),
        "cubism": ("cubist", "picasso", "geometric", "abstract", "polygonal", "bauhaus", "kandinsky"),
    },
    "ground": {
        "grass": ("field", "grassy", "park", "prairie", "field of flowers", "flower field"),
        "sand": ("beach", "shore", "coast", "dune", "mars surface"),
        "snow": ("snowfield", "ice", "frozen lake"),
        "water": ("waves", "pond", "ocean", "swamp"),
        "rock": ("cliffside", "canyon floor", "rubble", "cave"),
        "forest": ("woods", "rainforest", "clearing", "undergrowth"),
        "street": ("road", "sidewalk", "market", "alleyway"),
        "studio": ("table", "windowsill", "room", "white background", "museum", "kitchen", "desk"),
    },
    "distance": {
        0.05: ("macro", "extreme closeup", "microscopic"),
        0.5: ("full body",),
        0.75: ("wide angle", "wide", "long shot", "establishing shot"),
        0.95: ("distance", "far away", "panorama", "vista"),
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
    (("telephoto lens", "200mm"), {"dof": 0.75, "distance": 0.3}),
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
