"""The file names that official data sets would give to frame ``index`` of a split."""

import hashlib

from segibn.errors import SegibnError

# Stretches of consecutive frames inside the official GTA5 splits, as public lists give them.
_GTA5_STRETCHES = {
    "train": (
        (12894, 13625), (11695, 12068), (6102, 6350), (11311, 11544), (1751, 1979), (2585, 2738),
        (21145, 21284), (75, 210), (18094, 18228), (12635, 12765), (9678, 9797), (8800, 8913),
    ),
    "val": (
        (8628, 8799), (8426, 8582), (3523, 3645), (9239, 9360), (3852, 3973), (10954, 11069),
        (15528, 15637), (8249, 8349), (2765, 2865), (11072, 11171), (10478, 10575),
        (13626, 13722),
    ),
}  # fmt: skip
_CITIES = {"train": ("aachen", "bochum", "bremen", "cologne"), "val": ("frankfurt", "lindau", "munster")}


def gta5_name(split: str, index: int) -> str:
    """Five digits of a frame that the official split holds, e.g. "12894"; SegibnError beyond it."""
    left = index
    for first, last in _GTA5_STRETCHES[split]:
        if left <= last - first:
            return f"{first + left:05d}"
        left -= last - first + 1
    raise SegibnError(f"GTA5 {split} names end at {index - left} frames; ask for fewer with --frames")


def cityscapes_name(split: str, index: int) -> tuple[str, str]:
    """City and frame name, e.g. ("aachen", "aachen_000000_000019")."""
    cities = _CITIES[split]
    city = cities[index % len(cities)]
    return city, f"{city}_{index // len(cities):06d}_000019"


def bdd100k_name(seed: int, split: str, index: int) -> str:
    """A BDD100K id, eight hexadecimal digits twice, e.g. "0004a4c0-d4dff0ad".

    The first half counts frames, so that no two are alike; the second is a digest.
    """
    start = {"train": 0x00000000, "val": 0xB0000000, "test": 0xCC000000}[split]
    first = start + (index * 0x9E3779B1) % 0x0FFFFFFF
    digest = hashlib.sha256(f"{seed} {split} {index}".encode()).hexdigest()
    return f"{first:08x}-{digest[:8]}"
