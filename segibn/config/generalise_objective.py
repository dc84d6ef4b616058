"""``generalise``: terms of the objective beside the segmentation loss."""

from segibn.config.frozen import Frozen


class ObjectiveSections(Frozen):
    """Sections of ``generalise`` that add terms to the loss."""
