"""Texture regularisation as a term: see `segibn.losses.feature_distance`.

Both networks describe the original image, as in the paper. What the trained one made of it is there
already unless images are restyled (or it sees two views). Where they are, its backbone sees the
plain images in a pass of its own, which the running statistics of its norms take in as well (as in
the official script, where both images are trained on). Perturbations of features act in it too.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from segibn.builders.augment import RESTYLING
from segibn.config.generalise_objective import TextureConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Term, Trainee
from segibn.engine.precision import autocast
from segibn.engine.terms.imagenet_teacher import imagenet_teacher
from segibn.losses.feature_distance import gram_distance

_LAYERS = ("layer1", "layer2", "layer3", "layer4")


class TextureTerm(Term):
    """Weighted sum over layers of the distance of Gram matrices.

    ConfigError: no weights for the teacher.
    """

    name = "texture"

    def __init__(self, section: TextureConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight = section.weight
        weights = zip(_LAYERS, section.layer_weights, strict=True)
        self.layer_weights = {name: weight for name, weight in weights if weight > 0}
        self.teacher = imagenet_teacher(self.name, section.teacher_weights, config, trainee)
        self.fade_over = config.optim.iterations if section.fade_out else None
        is_restyled = any(getattr(config.generalise, name) is not None for name in RESTYLING)
        self.backbone = trainee.model.backbone if is_restyled else None

    def __call__(self, step: Step) -> Tensor:
        """Return the sum over layers, each a mean over the step's images."""
        own, reference = self._own_features(step), self.teacher.features(step.plain)
        parts = [w * gram_distance(own[n], reference[n]) for n, w in self.layer_weights.items()]
        left = 1.0 if self.fade_over is None else max(0.0, 1 - step.iteration / self.fade_over)
        return left * torch.stack(parts).sum()

    def _own_features(self, step: Step) -> Mapping[str, Tensor]:
        """The trained backbone's features of the plain images, with gradients."""
        if self.backbone is None:
            count = step.plain.shape[0]
            return {name: feature[:count] for name, feature in step.features.items()}
        with autocast(self.teacher.dtype, step.plain.device):
            return self.backbone(step.plain)
