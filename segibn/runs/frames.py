"""A picture as a user has it -> the frame as the network takes it.

Anything that would have to be guessed (floats, grey or transparent arrays) is refused with the fix.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from segibn.errors import ImageFileError
from segibn.media.faults import read_upright

Picture = str | Path | Image.Image | np.ndarray | torch.Tensor

_WANTED = "an image is (H, W, 3) uint8 RGB"


def as_frame(picture: Picture) -> np.ndarray:
    """Make a frame (H, W, 3) uint8 RGB of a path, PIL image, array or tensor; EXIF is applied.

    A PIL image may be of any mode of 0..255; an array is (H, W, 3) uint8 RGB; a tensor (3, H, W)
    uint8 RGB on any device, as torchvision reads pictures. ImageFileError: the file is missing,
    damaged or no picture. ValueError: an array or tensor of another shape or type.
    """
    if isinstance(picture, str | Path):
        if Path(picture).is_dir():
            raise ImageFileError(
                f"{picture} is a folder; give its pictures as a list, such as "
                f"model.predict(sorted(Path({str(picture)!r}).glob('*.jpg')))"
            )
        return read_upright(Path(picture))
    if isinstance(picture, Image.Image):
        if picture.mode.startswith(("I", "F")):
            raise ValueError(
                f"{_WANTED}, got a PIL image of mode {picture.mode}, whose range is not known; "
                "scale it to 0..255 and convert it to RGB"
            )
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    if isinstance(picture, torch.Tensor):
        return _from_tensor(picture)
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    raise TypeError(
        f"cannot predict a {type(picture).__name__}; give a path, a PIL image, "
        "an array (H, W, 3) uint8 RGB or a tensor (3, H, W) uint8"
    )


def _from_tensor(picture: torch.Tensor) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[0] != 3 or picture.dtype != torch.uint8:
        fix = ""
        if picture.is_floating_point():
            fix = "; of floats in 0..1 make (255 * image).round().to(torch.uint8)"
        elif picture.ndim == 4:
            fix = "; give a batch as list(batch)"
        elif picture.ndim == 3 and picture.shape[2] == 3:
            fix = "; this one looks like (H, W, 3): give image.permute(2, 0, 1), or image.numpy()"
        raise ValueError(f"a tensor is (3, H, W) uint8 RGB, got {tuple(picture.shape)} {picture.dtype}{fix}")
    return picture.detach().permute(1, 2, 0).cpu().contiguous().numpy()


def _from_array(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size:
        return picture
    channels = picture.shape[2] if picture.ndim == 3 else None
    fixes = (
        (picture.dtype != np.uint8, "; make its values 0..255 and then image.astype(np.uint8)"),
        (picture.ndim == 2, "; of a grey one make np.stack([image] * 3, axis=2)"),
        (picture.ndim == 4, "; give a batch as list(batch)"),
        (channels == 4, "; of an RGBA one make image[:, :, :3]"),
        (channels == 1, "; of a grey one make image.repeat(3, axis=2)"),
        (picture.shape[:1] == (3,), "; this one looks like (3, H, W): give image.transpose(1, 2, 0)"),
    )
    fix = next((text for applies, text in fixes if applies), "")
    raise ValueError(f"{_WANTED}, got {picture.shape} {picture.dtype}{fix}")
