"""``generalise``: ingredients that change features while training."""

from segibn.config.frozen import Frozen


class FeatureSections(Frozen):
    """Sections of ``generalise`` that act on features."""
