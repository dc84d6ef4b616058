"""Texture regularisation as a term: see `segibn.losses.texture`.

Both networks describe the original image, as in the paper. What the trained one made of it is there
already unless images are restyled (or it sees two views). Where they are, its backbone sees the
plain images in a pass of its own, which the running statistics of its norms take in as well (as in
the official script, where both images are trained on). Perturbations of features act in it too.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segibn.builders.augment import RESTYLING
from segibn.config.generalise_objective import TextureConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Trainee
from segibn.engine.precision import autocast
from segibn.engine.terms.imagenet_teacher import ImageNetTeacher, imagenet_teacher
from segibn.engine.terms.stateless import Stateless
from segibn.losses.texture import gram_distance


class TextureTerm(Stateless):
    """Weighted sum over layers of the distance of Gram matrices.

    Args:
        weight: factor in the loss.
        teacher: the frozen network.
        layer_weights: name of a feature -> its factor.
        fade_over: updates in which the term falls linearly to 0; None = it stays.
        backbone: the trained one, where images are restyled; None = the step's features are those
            of the plain images.
    """

    name = "texture"

    def __init__(
        self,
        weight: float,
        teacher: ImageNetTeacher,
        layer_weights: Mapping[str, float],
        *,
        fade_over: int | None = None,
        backbone: nn.Module | None = None,
    ) -> None:
        self.weight, self.teacher, self.layer_weights = weight, teacher, layer_weights
        self.fade_over, self.backbone = fade_over, backbone

    def __call__(self, step: Step) -> Tensor:
        """Return the sum over layers, each a mean over the step's images."""
        own, reference = self._own_features(step), self.teacher.features(step.plain)
        parts = [w * gram_distance(own[name], reference[name]) for name, w in self._layers()]
        left = 1.0 if self.fade_over is None else max(0.0, 1 - step.iteration / self.fade_over)
        return left * torch.stack(parts).sum()

    def _layers(self) -> list[tuple[str, float]]:
        return [(name, weight) for name, weight in self.layer_weights.items() if weight > 0]

    def _own_features(self, step: Step) -> Mapping[str, Tensor]:
        """The trained backbone's features of the plain images, with gradients."""
        if self.backbone is None:
            count = step.plain.shape[0]
            return {name: feature[:count] for name, feature in step.features.items()}
        with autocast(self.teacher.dtype, step.plain.device):
            return self.backbone(step.plain)


def build_texture(section: TextureConfig, config: RunConfig, trainee: Trainee) -> TextureTerm:
    """Build the term.

    Raises:
        ConfigError: no weights for the teacher.
    """
    names = ("layer1", "layer2", "layer3", "layer4")
    is_restyled = any(getattr(config.generalise, name) is not None for name in RESTYLING)
    return TextureTerm(
        section.weight,
        imagenet_teacher("texture", section.teacher_weights, config, trainee),
        dict(zip(names, section.layer_weights, strict=True)),
        fade_over=config.optim.iterations if section.fade_out else None,
        backbone=trainee.model.backbone if is_restyled else None,
    )
