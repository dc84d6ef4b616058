"""A canvas with a road on it, so that painters can work in road coordinates."""

import numpy as np

from painted_scenes.canvas import Canvas
from painted_scenes.scene import Road, Thing

# Cityscapes label ids of what painters paint.
EGO, STATIC, ROAD, PAVEMENT = 1, 4, 7, 8
BUILDING, WALL, FENCE, POLE, LIGHT, SIGN = 11, 12, 13, 17, 19, 20
VEGETATION, TERRAIN, SKY, PERSON, RIDER = 21, 22, 23, 24, 25
CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = 26, 27, 28, 31, 32, 33


class Stage:
    """Canvas and road together."""

    def __init__(self, canvas: Canvas, road: Road) -> None:
        self.canvas = canvas
        self.road = road

    def place(self, lateral: float, z: float, y: float = 0.0) -> np.ndarray:
        """World point (3,) above a place on the ground, metres."""
        return np.array([self.road.centre(z) + lateral, y, z])

    def places(self, rows: list[tuple[float, float, float]]) -> np.ndarray:
        """World points (n, 3) of (lateral, y, z) triples, metres."""
        table = np.array(rows, np.float64)
        table[:, 0] += self.road.centre(table[:, 2])
        return table

    def add(self, label_id: int, thing: Thing, countable: bool = False) -> int:
        """Register an object where ``thing`` stands and return its number."""
        z = thing.z + thing.length / 2
        x = float(self.road.centre(z) + thing.lateral)
        return self.canvas.add(label_id, x, max(z, 1.0), countable)

    def screen(self, lateral: float, z: float, y: float = 0.0) -> np.ndarray:
        """Canvas point (2,) of a world place."""
        return self.canvas.camera.project(self.place(lateral, z, y))
