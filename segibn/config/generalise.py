"""``generalise``: what a training does for domains it never sees, beyond IBN.

Each method is one optional section, off until it is given; ``{}`` takes the paper's values.
None of them is there when a trained network predicts.
"""

from pydantic import model_validator

from segibn.config.generalise_features import FeatureSections
from segibn.config.generalise_images import ImageSections
from segibn.config.generalise_objective import ObjectiveSections


class GeneraliseConfig(ImageSections, FeatureSections, ObjectiveSections):
    """Methods for unseen domains, in images, features and objective."""

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the methods that are switched on, in the order of their fields."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _check(self) -> "GeneraliseConfig":
        styles = [name for name in ImageSections.model_fields if name != "copy_paste"]
        styles += FeatureSections.model_fields
        if self.consistency is not None and not set(styles) & set(self.active):
            raise ValueError(
                "consistency: nothing tells the two views of an image apart; add a method "
                f"that changes images or features ({', '.join(styles)}) or leave consistency out"
            )
        return self
