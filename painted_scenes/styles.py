"""The light over a scene and the device that records it, drawn at random per frame.

Two styles exist. ``game`` is a renderer: full daylight, clean pictures, graded from pale to
contrasty. ``camera`` is a dashcam over a year: overcast, glaring, hazy, dusk, night; wrong
exposure, colour casts, noise, blur. Both see the same kinds of scenes, so what differs is
appearance. FROZEN: changing a number here changes every result measured on the sample data.
"""

from dataclasses import dataclass

import numpy as np

STYLES = ("game", "camera")

_CAMERA_WEATHERS = {"overcast": 0.30, "sunny": 0.28, "hazy": 0.18, "dusk": 0.16, "night": 0.08}


@dataclass(frozen=True)
class Light:
    """What shines on the scene.

    Attributes:
        sun_direction: (3,) unit vector from the ground to the sun, world axes.
        sun: (3,) RGB strength of direct light.
        ambient: (3,) RGB strength of light from everywhere.
        shadow: 0..1, how much a cast shadow darkens the ground.
        sky_top: (3,) RGB 0..255 overhead.
        sky_low: (3,) RGB 0..255 at the horizon.
        clouds: 0..1 share of sky under clouds.
        cloud_color: (3,) RGB 0..255.
        night: 0 by day, 1 at night; lamps shine and the unlit scene falls by this much.
        wet: 0..1, how much the road mirrors the sky.
    """

    sun_direction: np.ndarray
    sun: np.ndarray
    ambient: np.ndarray
    shadow: float
    sky_top: np.ndarray
    sky_low: np.ndarray
    clouds: float
    cloud_color: np.ndarray
    night: float = 0.0
    wet: float = 0.0

    def shade(self, normals: np.ndarray) -> np.ndarray:
        """RGB brightness (..., 3) of surfaces by outward unit normals, about 1 in full light."""
        facing = np.maximum(normals @ self.sun_direction, 0)[..., None]
        # Surfaces that look up see the sky, those that look down see the darker road.
        sky_share = (0.82 + 0.18 * normals[..., 1])[..., None]
        return self.ambient * sky_share + self.sun * facing


@dataclass(frozen=True)
class Lens:
    """What the recording device does, in the order of the attributes.

    Attributes:
        haze: 1/metre; contrast falls by exp(-haze * distance).
        haze_color: (3,) RGB 0..255.
        exposure: factor on the light that arrives.
        cast: (3,) RGB factors.
        contrast: slope around middle grey.
        gamma: exponent of the tone curve; above 1 darkens the middle.
        saturation: 0 grey, 1 as painted.
        bloom: 0..1 share of highlights that spills.
        vignette: 0..1 darkening of the corners.
        blur: standard deviation in pixels per 256 columns of image width.
        sharpen: 0..1 of unsharp masking.
        noise: standard deviation of sensor noise in grey levels.
        lift: black level, grey levels.
        jpeg: quality 1..100, or None for no compression.
    """

    haze: float
    haze_color: np.ndarray
    exposure: float
    cast: np.ndarray
    contrast: float
    gamma: float
    saturation: float
    bloom: float
    vignette: float
    blur: float
    sharpen: float
    noise: float
    lift: float
    jpeg: int | None


@dataclass(frozen=True)
class Style:
    """Light and lens of one frame; ``weather`` names the draw."""

    weather: str
    light: Light
    lens: Lens


def sample_style(name: str, rng: np.random.Generator) -> Style:
    """Draw light and lens for one frame of a style."""
    if name == "game":
        return _game(rng)
    if name == "camera":
        return _camera(rng)
    raise ValueError(f"unknown style '{name}'; choose one of {', '.join(STYLES)}")


def _sun_direction(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A sun between two elevations (degrees), anywhere but straight ahead."""
    elevation = np.deg2rad(rng.uniform(low, high))
    azimuth = rng.uniform(0, 2 * np.pi)
    level = np.cos(elevation)
    return np.array([np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level])


def _rgb(*parts: float) -> np.ndarray:
    return np.array(parts, np.float64)


def _tint(rng: np.random.Generator, spread: float, limit: float) -> np.ndarray:
    """(3,) RGB deviations of a colour cast."""
    return np.clip(rng.normal(0, spread, 3), -limit, limit)


def _game(rng: np.random.Generator) -> Style:
    """Sun nearly always; morning to late afternoon in warm colours, thin clouds now and then."""
    warmth = rng.uniform(-0.35, 1.0)
    soft = rng.uniform(0.0, 0.6) ** 2
    glow = max(warmth, 0.0)
    blue = _rgb(84, 142, 214) * (1 - 0.25 * glow) + _rgb(150, 160, 190) * 0.25 * glow
    low = _rgb(186, 212, 236) * (1 - 0.5 * glow) + _rgb(244, 218, 180) * 0.5 * glow
    light = Light(
        sun_direction=_sun_direction(rng, 28, 65),
        sun=_rgb(0.72, 0.67, 0.60 - 0.08 * warmth) * (1 - soft),
        ambient=_rgb(0.56, 0.58, 0.62 - 0.03 * warmth) + 0.25 * soft,
        shadow=0.55 * (1 - soft),
        sky_top=blue,
        sky_low=low,
        clouds=rng.uniform(0.05, 0.55),
        cloud_color=_rgb(250, 248, 244),
    )
    lens = Lens(
        haze=rng.uniform(0.0008, 0.006),
        haze_color=low,
        exposure=float(np.exp(rng.uniform(np.log(0.52), np.log(1.55)))),
        cast=_rgb(1.03 + 0.04 * warmth, 1.01, 0.97 - 0.05 * warmth) + np.clip(rng.normal(0, 0.08, 3), -0.2, 0.2),
        contrast=rng.uniform(0.68, 1.35),
        gamma=rng.uniform(0.75, 1.38),
        saturation=rng.uniform(0.7, 1.5),
        bloom=rng.uniform(0.05, 0.15),
        vignette=0.0,
        blur=0.0,
        sharpen=rng.uniform(0.1, 0.4),
        noise=1.0,
        lift=0.0,
        jpeg=None,
    )
    return Style("clear", light, lens)


def _camera(rng: np.random.Generator) -> Style:
    names = list(_CAMERA_WEATHERS)
    weather = str(rng.choice(names, p=list(_CAMERA_WEATHERS.values())))
    light = _WEATHER_LIGHTS[weather](rng)
    haze, low, high = _HAZE_AND_EXPOSURE[weather]
    tint = _tint(rng, 0.3, 0.45)
    tint[1] *= 0.6  # casts run between blue and amber more than towards green
    noise = {"night": 3.0, "dusk": 2.2}.get(weather, 1.5)
    lens = Lens(
        haze=haze * rng.uniform(0.5, 1.5),
        haze_color=light.sky_low * 0.95 + 4,
        exposure=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        cast=1 + tint - tint.mean(),
        contrast=rng.uniform(0.3, 1.2),
        gamma=rng.uniform(0.7, 1.4),
        saturation=rng.uniform(0.15, 0.9),
        bloom=rng.uniform(0.08, 0.25),
        vignette=rng.uniform(0.05, 0.3),
        blur=rng.uniform(0.1, 0.35),
        sharpen=0.0,
        noise=noise * rng.uniform(0.5, 1.5),
        lift=rng.uniform(0, 60),
        jpeg=int(rng.integers(55, 92)),
    )
    return Style(weather, light, lens)


# Per weather: typical haze (1/metre), lowest and highest exposure.
_HAZE_AND_EXPOSURE = {
    "overcast": (0.004, 0.45, 1.6),
    "sunny": (0.002, 0.5, 1.7),
    "hazy": (0.011, 0.55, 1.5),
    "dusk": (0.005, 0.55, 1.5),
    "night": (0.003, 0.8, 1.8),
}


def _overcast(rng: np.random.Generator) -> Light:
    grey = rng.uniform(175, 255)
    return Light(
        sun_direction=_sun_direction(rng, 40, 70),
        sun=_rgb(0.10, 0.10, 0.10),
        ambient=_rgb(0.72, 0.74, 0.78) * rng.uniform(0.85, 1.1),
        shadow=0.06,
        sky_top=_rgb(grey * 0.92, grey * 0.95, grey),
        sky_low=_rgb(grey, grey, grey),
        clouds=rng.uniform(0.7, 1.0),
        cloud_color=_rgb(grey, grey, grey) * 0.9,
        wet=rng.uniform(0, 0.5) * (rng.random() < 0.4),
    )


def _sunny(rng: np.random.Generator) -> Light:
    return Light(
        sun_direction=_sun_direction(rng, 15, 60),
        sun=_rgb(0.92, 0.86, 0.76),
        ambient=_rgb(0.40, 0.43, 0.50),
        shadow=0.68,
        sky_top=_rgb(110, 155, 215),
        sky_low=_rgb(205, 222, 240),
        clouds=rng.uniform(0.0, 0.5),
        cloud_color=_rgb(252, 252, 252),
    )


def _hazy(rng: np.random.Generator) -> Light:
    grey = rng.uniform(175, 235)
    return Light(
        sun_direction=_sun_direction(rng, 20, 50),
        sun=_rgb(0.22, 0.21, 0.19),
        ambient=_rgb(0.68, 0.69, 0.70),
        shadow=0.15,
        sky_top=_rgb(grey * 0.95, grey * 0.97, grey),
        sky_low=_rgb(grey, grey * 0.99, grey * 0.96),
        clouds=rng.uniform(0.0, 0.4),
        cloud_color=_rgb(grey, grey, grey) * 1.03,
        wet=rng.uniform(0, 0.4) * (rng.random() < 0.4),
    )


def _dusk(rng: np.random.Generator) -> Light:
    redness = rng.uniform(0, 1)
    return Light(
        sun_direction=_sun_direction(rng, 6, 15),
        sun=_rgb(0.22, 0.15, 0.10) * redness,
        ambient=_rgb(0.50, 0.49, 0.55) * rng.uniform(0.8, 1.15),
        shadow=0.1,
        sky_top=_rgb(70, 84, 120) * rng.uniform(0.8, 1.3),
        sky_low=_rgb(150 + 80 * redness, 140, 150 - 40 * redness),
        clouds=rng.uniform(0.2, 0.8),
        cloud_color=_rgb(110 + 50 * redness, 100, 112),
        night=0.30,
    )


def _night(rng: np.random.Generator) -> Light:
    glow = rng.uniform(0.5, 1.6)
    return Light(
        sun_direction=_sun_direction(rng, 40, 70),
        sun=_rgb(0.0, 0.0, 0.0),
        ambient=_rgb(0.66, 0.66, 0.72),
        shadow=0.05,
        sky_top=_rgb(8, 10, 18) * glow,
        sky_low=_rgb(30, 27, 30) * glow,
        clouds=rng.uniform(0, 0.8),
        cloud_color=_rgb(30, 26, 24) * glow,
        night=1.0,
        wet=rng.uniform(0, 0.7) * (rng.random() < 0.35),
    )


_WEATHER_LIGHTS = {"overcast": _overcast, "sunny": _sunny, "hazy": _hazy, "dusk": _dusk, "night": _night}
