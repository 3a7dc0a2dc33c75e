"""The fonts that `glyphs` draws with, and clean pictures of single characters in them.

All of them come with packages that tinyconv needs anyway: Matplotlib ships DejaVu, STIX and the Computer Modern fonts
of TeX, Pillow carries Aileron. A family is one design; its faces are the upright, bold and slanted versions.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinyconv._types import Array

if TYPE_CHECKING:
    from PIL import ImageFont

#: What a network may learn from: 15 faces. Left out of Matplotlib's fonts: STIXSiz*, STIXNonUni*, *Display, cmex10,
#: cmsy10 and LastResort (symbols, no digits), cmmi10 (old-style figures: its 1 is a small capital I), and cmti10, which
#: older versions of Matplotlib do not have.
TRAINING_FAMILIES = {
    "DejaVu Sans": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    "DejaVu Sans Mono": (
        "DejaVuSansMono",
        "DejaVuSansMono-Bold",
        "DejaVuSansMono-Oblique",
        "DejaVuSansMono-BoldOblique",
    ),
    "DejaVu Serif": ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    "Computer Modern Roman": ("cmr10", "cmb10"),
    "Aileron": ("Aileron",),  # Pillow's built-in font; the only one whose 1 has no foot, so it must be learned from
}
#: What it is tested on: one design of each style, so that a good result on the test cannot come from one style alone.
TEST_FAMILIES = {
    "STIX": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),  # with serifs
    "Computer Modern Sans": ("cmss10",),  # without serifs
    "Computer Modern Typewriter": ("cmtt10",),  # all characters of one width
}
#: Widths of the pen, as quarters of a pixel of the 28x28 image added to each edge of a stroke.
PENS = (-1, 0, 1, 2)
#: Strokes thinner than a pixel would fade away; this makes them nearly as bright as the others.
GAIN = 1.5

_SCALE = 4  # characters are drawn four times as large as the image, for strokes to grow and shrink by quarters
_SIDE = 28 * _SCALE
_FONT_SIZE = 27 * _SCALE  # capitals and digits are about 0.72 of it high: 20 of 28 pixels, as in MNIST
_LARGEST = 23 * _SCALE  # a W or a Q is made smaller, so that it stays inside the image when it is turned and moved


def templates(families: dict[str, tuple[str, ...]], characters: str) -> tuple[Array, Array]:
    """Every character in every face and with every pen.

    Returns:
        images of shape (characters, FACES, 56, 56), float32 from 0 to 1, twice the size of the final image; and the
        probability of each of the FACES, which gives every family the same share. FACES counts face and pen.
    """
    faces = [(name, pen) for names in families.values() for name in names for pen in PENS]
    share = [1 / (len(families) * len(names) * len(PENS)) for names in families.values() for _ in names for _ in PENS]
    images = [[_draw(character, name, pen) for name, pen in faces] for character in characters]
    return np.minimum(GAIN * np.array(images, np.float32) / 255, 1), np.array(share)


def _draw(character: str, name: str, pen: int) -> Array:
    """One character, centred; uint8 (56, 56)."""
    from PIL import Image, ImageDraw, ImageFilter

    image = Image.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), character, font=_font(name, _FONT_SIZE))
    shrink = min(1.0, _LARGEST / max(right - left, bottom - top))
    font = _font(name, round(_FONT_SIZE * shrink))
    left, top, right, bottom = draw.textbbox((0, 0), character, font=font)
    # Centred by the box of its ink; Pillow's own anchors would centre the line of text.
    corner = ((_SIDE - left - right) / 2, (_SIDE - top - bottom) / 2)
    draw.text(corner, character, fill=255, font=font, stroke_width=max(pen, 0))
    if pen < 0:
        image = image.filter(ImageFilter.MinFilter(1 - 2 * pen))  # the darkest neighbour: edges move inwards
    # Blurred before it is made smaller, so that sampling it at every second pixel does not fray the edges.
    half = image.filter(ImageFilter.GaussianBlur(_SCALE / 3)).reduce(_SCALE // 2)
    return np.asarray(half)  # (56, 56)


@cache
def _font(name: str, size: int) -> "ImageFont.FreeTypeFont":
    from PIL import ImageFont

    font = ImageFont.load_default(size) if name == "Aileron" else ImageFont.truetype(str(_path(name)), size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # load_default(size) always is
    return font


def _path(name: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"


def fingerprint() -> str:
    """Eight characters that change with what tinyconv draws with: the font files, FreeType and Pillow."""
    import PIL
    from PIL import features

    digest = hashlib.sha256(f"{PIL.__version__} {features.version('freetype2')}".encode())
    for names in (*TRAINING_FAMILIES.values(), *TEST_FAMILIES.values()):
        for name in names:
            digest.update(name.encode() if name == "Aileron" else _path(name).read_bytes())
    return digest.hexdigest()[:8]
