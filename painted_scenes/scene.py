"""What stands where, in metres; nothing about colours, light or pixels.

The same for every style and every frame size. Lateral positions are measured from the middle of the
camera's own lane, to the right; distances run along the road from the camera. Traffic keeps right;
a mirrored scene is flipped when painted.
"""

from dataclasses import dataclass, field

import numpy as np

SPLITS = {"train": 0, "val": 1, "test": 2, "bdd-train": 10, "bdd-val": 11, "bdd-test": 12}
VISIBLE_DEPTH = 78.0  # metres; beyond it only the backdrop is painted


@dataclass(frozen=True)
class Strip:
    """One band of ground along the road.

    Attributes:
        kind: "road", "pavement", "terrain".
        left: lateral position of its left edge, metres.
        right: of its right edge.
    """

    kind: str
    left: float
    right: float


@dataclass(frozen=True)
class Marking:
    """A painted line along the road.

    Attributes:
        lateral: its middle, metres.
        width: metres.
        dash: length of a dash in metres, 0 for an unbroken line.
        gap: metres between dashes.
        yellow: colour, else white.
    """

    lateral: float
    width: float
    dash: float = 0.0
    gap: float = 0.0
    yellow: bool = False


@dataclass(frozen=True)
class Lane:
    """A lane for moving traffic; ``direction`` +1 with the camera, -1 against it, 0 tram track."""

    middle: float
    width: float
    direction: int


@dataclass(frozen=True)
class Road:
    """The carriageway and what lies along it.

    Attributes:
        heading: sideways metres per metre ahead at the camera.
        curvature: 1/metre.
        camera_lateral: camera's place across its own lane, metres.
        left, right: edges of the carriageway, metres.
        lanes: own lane first.
        strips: ground from left to right, without gaps.
        markings: lines along the road.
        rails: middles of tram tracks, metres.
        crossing: (start, end) of a cross street in metres ahead, or None.
        zebra: (start, end) of a pedestrian crossing, or None.
        crown: seed of the surface's patches and stains.
    """

    heading: float
    curvature: float
    camera_lateral: float
    left: float
    right: float
    lanes: tuple[Lane, ...]
    strips: tuple[Strip, ...]
    markings: tuple[Marking, ...]
    rails: tuple[float, ...]
    crossing: tuple[float, float] | None
    zebra: tuple[float, float] | None
    crown: int

    def centre(self, z: np.ndarray | float) -> np.ndarray | float:
        """World x of lateral position 0 at distance ``z``, metres."""
        return -self.camera_lateral + self.heading * z + 0.5 * self.curvature * z * z

    def slope(self, z: float) -> float:
        """Direction of the road at ``z``: radians clockwise from straight ahead."""
        return float(np.arctan(self.heading + self.curvature * z))


@dataclass(frozen=True)
class Thing:
    """Anything that a painter paints.

    Attributes:
        kind: chooses the painter.
        lateral: metres from the own lane's middle; of the face towards the road for long things.
        z: metres ahead; of the nearest point.
        order: painted from large to small.
        heading: radians clockwise, 0 faces away from the camera along the road.
        length: metres along the road.
        height: metres.
        depth: metres away from the road, positive to the right.
        variant: a sub-kind.
        seed: for colours and details.
    """

    kind: str
    lateral: float
    z: float
    order: float
    heading: float = 0.0
    length: float = 0.0
    height: float = 0.0
    depth: float = 0.0
    variant: str = ""
    seed: int = 0


@dataclass(frozen=True)
class View:
    """How the camera is mounted, as shares of the frame; see ``Camera``."""

    focal: float
    horizon: float
    roll: float
    height: float
    bonnet: float
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """A street."""

    style: str
    view: View
    road: Road
    things: tuple[Thing, ...]
    seed: int
    backdrop: str = "trees"
    lamps: tuple[tuple[float, float, float], ...] = field(default=())


def scene_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """The generator from which the scene ``index`` of ``split`` is drawn."""
    return np.random.default_rng([seed, SPLITS[split], index])
