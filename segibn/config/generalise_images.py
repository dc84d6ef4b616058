"""``generalise``: ingredients that change the look of training images, on the device, batched."""

from segibn.config.frozen import Frozen


class ImageSections(Frozen):
    """Sections of ``generalise`` that act on images."""
