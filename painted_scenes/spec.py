"""What sample data may be asked for. Standard library only, so that help is there at once."""

from dataclasses import dataclass

SETS = ("gta5", "cityscapes", "bdd100k")


@dataclass(frozen=True)
class SampleSpec:
    """What to write.

    Attributes:
        seed: of all scenes and styles.
        frames: per data set, (train, val).
        size: (H, W) of the frames in pixels.
        sets: which of ``SETS``.
        val_only: those of ``sets`` that get no train frames.
    """

    seed: int = 0
    frames: tuple[int, int] = (200, 50)
    size: tuple[int, int] = (128, 256)
    sets: tuple[str, ...] = SETS
    val_only: tuple[str, ...] = ()
