"""Generated pictures of the demo: scenes drawn with Pillow, before and after the work.

A dashed frame in the project's accent shows that they are drawings, so that nobody takes them for evidence.
"""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 960, 720
SHOWN = (720, 540)
SKY, ROAD, KERB, LEAF = (206, 220, 226), (112, 117, 122), (176, 174, 166), (79, 121, 76)


def _ground(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, WIDTH, 260), fill=SKY)
    for i in range(6):
        left = i * 170 - rng.randint(0, 40)
        top = rng.randint(60, 170)
        shade = rng.randint(168, 205)
        draw.rectangle((left, top, left + 140, 260), fill=(shade, shade - 6, shade - 14))
        for wx in range(left + 14, left + 126, 28):
            for wy in range(top + 14, 246, 30):
                draw.rectangle((wx, wy, wx + 14, wy + 16), fill=(shade - 40, shade - 34, shade - 26))
    draw.rectangle((0, 260, WIDTH, 330), fill=KERB)
    draw.rectangle((0, 330, WIDTH, HEIGHT), fill=ROAD)
    for x in range(-40, WIDTH, 180):
        draw.polygon([(x, 560), (x + 90, 560), (x + 80, 575), (x - 10, 575)], fill=(214, 214, 208))


def _scene(draw: ImageDraw.ImageDraw, scene: str, mended: bool, rng: random.Random) -> None:
    x, y = rng.randint(330, 560), rng.randint(410, 500)
    if scene == "cover":
        draw.ellipse((x - 96, y - 52, x + 96, y + 52), fill=(74, 76, 79) if mended else (24, 24, 26))
        if mended:
            for k in range(-72, 73, 24):
                draw.line((x + k, y - 34, x + k, y + 34), fill=(96, 99, 102), width=6)
        else:
            draw.arc((x - 96, y - 52, x + 96, y + 52), 190, 350, fill=(150, 132, 96), width=9)
    elif scene == "lamp":
        for k in range(3):
            px = 180 + k * 280
            draw.rectangle((px, 90, px + 10, 340), fill=(84, 88, 92))
            draw.ellipse((px - 24, 70, px + 34, 104), fill=(250, 226, 140) if mended else (90, 90, 88))
    elif scene == "rail":
        for k in range(9):
            px = 110 + k * 84
            lean = 0 if mended else rng.randint(-52, 64)
            draw.line((px, 470, px + lean, 380), fill=(232, 234, 236), width=12)
        draw.line((110, 392 if mended else 446, 790, 392 if mended else 420), fill=(58, 108, 160), width=12)
    elif scene == "bin":
        draw.rounded_rectangle((x - 70, y - 150, x + 70, y + 20), 12, fill=(58, 110, 84))
        if not mended:
            for _ in range(26):
                bx, by = x + rng.randint(-170, 170), y + rng.randint(-10, 80)
                tone = rng.randint(120, 235)
                draw.ellipse((bx - 16, by - 11, bx + 16, by + 11), fill=(tone, tone - 12, rng.randint(70, 220)))
    elif scene == "tree":
        lean = 0 if mended else 120
        draw.line((x, 520, x + lean, 300), fill=(96, 74, 52), width=26)
        for _ in range(44):
            bx, by = x + lean + rng.randint(-130, 130), 250 + rng.randint(-90, 90)
            draw.ellipse((bx - 30, by - 26, bx + 30, by + 26), fill=(LEAF[0] + rng.randint(-14, 20), LEAF[1], LEAF[2]))
    elif scene == "wall":
        draw.rectangle((120, 150, 840, 430), fill=(196, 188, 172))
        if not mended:
            for _ in range(14):
                bx, by = rng.randint(150, 760), rng.randint(170, 370)
                draw.rectangle((bx, by, bx + 62, by + 44), fill=(rng.randint(190, 250), rng.randint(180, 240), 170))
    elif scene == "stall":
        for k in range(2 if mended else 5):
            px = 130 + k * 160 + (420 if mended else 0)
            top = 300 if mended else 380
            draw.rectangle((px, top, px + 120, top + 70), fill=(150, 112, 80))
            draw.polygon(
                [(px - 16, top), (px + 136, top), (px + 100, top - 60), (px + 20, top - 60)], fill=(178, 74, 62)
            )
    else:  # refuse, road
        if mended:
            draw.ellipse((x - 190, y - 40, x + 190, y + 60), fill=(96, 102, 108))
        else:
            for _ in range(70):
                bx, by = x + rng.randint(-210, 210), y + rng.randint(-60, 70)
                tone = rng.randint(60, 190)
                draw.ellipse((bx - 22, by - 13, bx + 22, by + 13), fill=(tone, tone - 18, tone - 44))


@cache
def _plain(scene: str, mended: bool, variant: int) -> Image.Image:
    rng = random.Random(f"{scene}{variant}")  # noqa: S311  the same street before and after
    image = Image.new("RGB", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    _ground(draw, rng)
    _scene(draw, scene, mended, rng)
    # A dashed frame in the project's accent marks a picture as simulated.
    for x in range(0, WIDTH, 36):
        draw.rectangle((x, 0, x + 18, 7), fill=(15, 109, 119))
        draw.rectangle((x, HEIGHT - 8, x + 18, HEIGHT), fill=(15, 109, 119))
    return image.resize(SHOWN, Image.Resampling.LANCZOS)


@cache
def picture(scene: str, mended: bool, variant: int) -> bytes:
    """JPEG bytes; there are six variants of each scene."""
    out = io.BytesIO()
    _plain(scene, mended, variant % 6).save(out, "JPEG", quality=78)
    return out.getvalue()
