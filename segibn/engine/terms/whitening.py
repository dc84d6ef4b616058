"""Instance whitening of RobustNet (IW, IRW, ISW; arXiv 2103.15597) as a term of the objective.

The mean over the instance norms, which have no weight and bias, of the whitening loss of what they
give (`segibn.losses.whitening`). For ISW the backbone also sees, for a number of iterations, each
image and a photometrically changed one, in evaluation mode and without gradients, as in the
authors' code. These are divided into passes; covariances that are sensitive in every one of them
are whitened; before, the term is 0.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from segibn.augment.photometric import PhotometricChange
from segibn.builders.augment import RESTYLING
from segibn.config.generalise import WhiteningConfig
from segibn.config.schema import RunConfig
from segibn.devices import accurate_dtype
from segibn.engine.objective import Step, Term, Trainee
from segibn.errors import ConfigError, SegibnError
from segibn.losses.whitening import instance_covariance, off_diagonal, pair_variance, sensitive_mask, whitening_loss
from segibn.models.ibn import InstanceNorm2d
from segibn.models.resnet import STAGES, ResNet
from segibn.models.segmenter import Segmenter


class CovarianceTaps:
    """Hooks that take the covariances of what a backbone's instance norms give, while open."""

    def __init__(self, backbone: nn.Module) -> None:
        self._backbone, modules = backbone, backbone.named_modules()
        self.norms = {name: norm for name, norm in modules if isinstance(norm, InstanceNorm2d)}
        self.open_in_training = False  # taken, with gradients, where a norm is in training mode
        self._open_in_evaluation = False
        self._taken: dict[str, Tensor] = {}
        for name, norm in self.norms.items():
            norm.register_forward_hook(self._hook(name, norm))

    def _hook(self, name: str, norm: nn.Module) -> Callable[[nn.Module, Any, Tensor], None]:
        def take(module: nn.Module, _: Any, output: Tensor) -> None:
            is_open = self.open_in_training if module.training else self._open_in_evaluation
            if is_open and module is norm:  # not in a copy of the network
                # Here and not later: the ReLU that follows overwrites its input.
                self._taken[name] = instance_covariance(output)

        return take

    def take(self) -> dict[str, Tensor]:
        """Return the covariances (N, C, C) of the latest pass by norm, and forget them."""
        taken, self._taken = self._taken, {}
        return taken

    @contextmanager
    def open_in_evaluation(self) -> Iterator[None]:
        """Evaluation mode, in which covariances are taken; later each part is as it was."""
        modes = [(part, part.training) for part in self._backbone.modules()]
        self._backbone.eval()
        self._open_in_evaluation = True
        try:
            yield
        finally:
            self._open_in_evaluation = False
            for part, mode in modes:
                part.training = mode


def _check_fit(settings: WhiteningConfig, config: RunConfig, model: Segmenter) -> None:
    backbone, total = config.model.backbone, config.optim.iterations
    if not isinstance(model.backbone, ResNet) or backbone.ibn != "b" or backbone.ibn_affine:
        raise ConfigError(
            "generalise.whitening whitens instance norms without weight and bias; set "
            "model.backbone.ibn=b model.backbone.ibn_affine=false on a residual network"
        )
    first = settings.statistics_after + settings.statistics_iterations
    if settings.kind == "isw" and first >= total:
        raise ConfigError(
            f"generalise.whitening: ISW would set in at iteration {first} of {total}; lower "
            "statistics_after or statistics_iterations (the authors take statistics after 12 % "
            "of the training)"
        )


class Whitening(Term):
    """The term; see the module. ConfigError: the network or the training does not suit it."""

    name = "whitening"

    def __init__(self, settings: WhiteningConfig, config: RunConfig, trainee: Trainee) -> None:
        model = trainee.model
        _check_fit(settings, config, model)
        self.weight = settings.weight
        self._model, self._settings = model, settings
        # Restyled images, if there are some, are the changed ones of ISW's statistics.
        self._restyled = not RESTYLING.keys().isdisjoint(config.generalise.active)
        self._taps = CovarianceTaps(model.backbone)
        self._margin = settings.margin if settings.kind == "irw" else 0.0
        self._variances: dict[str, Tensor] = {}
        self._images: Tensor | None = None
        self._pass = 0
        self._sensitive: dict[str, Tensor] = {}  # in all passes that are over
        self._masks: dict[str, Tensor] = {}
        if settings.kind != "isw":
            self._masks = {n: off_diagonal(norm.num_features, trainee.device) for n, norm in self._taps.norms.items()}
            self._taps.open_in_training = True

    def __call__(self, step: Step) -> Tensor:
        """Return the loss; runs on every rank, which agree on ISW's masks."""
        covariances, settings = self._taps.take(), self._settings
        if not self._masks:
            since = step.iteration - settings.statistics_after
            if since < settings.statistics_iterations:
                if since >= 0:
                    number = since * settings.statistics_passes // settings.statistics_iterations
                    if number != self._pass:
                        self._close_pass()
                        self._pass, self._variances, self._images = number, {}, None
                    self._gather(step)
                return step.plain.new_zeros(())
            self._close_pass()
            self._masks = self._sensitive
        losses = [whitening_loss(covariances[name], mask, self._margin) for name, mask in self._masks.items()]
        return torch.stack(losses).mean()

    def state_dict(self) -> dict[str, Any]:
        """Return ISW's sums of variances, their number of images, and the masks, once found."""
        names = ("variances", "images", "pass", "sensitive", "masks")
        return {} if self._images is None else {name: getattr(self, f"_{name}") for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take such a state."""
        device = self._model.pixel_mean.device
        for name in ("variances", "sensitive", "masks"):
            setattr(self, f"_{name}", {k: v.to(device) for k, v in state.get(name, {}).items()})
        self._images, self._pass = state["images"].to(device), state.get("pass", 0)
        self._taps.open_in_training = True

    @torch.no_grad()
    def _gather(self, step: Step) -> None:
        """Add how far the covariances of all ranks' images move when the images change."""
        accurate = accurate_dtype(step.plain.device)
        plain = self._covariances(step.plain)
        changed = self._covariances(self._changed(step))
        moved = {name: pair_variance(plain[name], changed[name]).to(accurate) for name in plain}
        count = step.plain.new_tensor([len(step.plain)], dtype=accurate)
        # Summed now and not at the end: a checkpoint is written by one rank and read by all.
        flat = torch.cat([*(values.flatten() for values in moved.values()), count])
        if dist.is_initialized():
            dist.all_reduce(flat)
        *parts, images = flat.split([*(values.numel() for values in moved.values()), 1])
        for (name, values), part in zip(moved.items(), parts, strict=True):
            self._variances[name] = self._variances.get(name, 0.0) + part.view(values.shape)
        self._images = images if self._images is None else self._images + images
        self._taps.open_in_training = True  # the next iteration may be the term's first

    def _covariances(self, image: Tensor) -> Mapping[str, Tensor]:
        backbone = self._model.backbone
        parts = {name.partition(".")[0] for name in self._taps.norms}
        last = max((n for n, stage in enumerate(STAGES, start=1) if stage in parts), default=0)
        with self._taps.open_in_evaluation():
            for name in ("half", *STAGES)[: last + 1]:
                image = backbone.step(name, image)
        return self._taps.take()

    def _changed(self, step: Step) -> Tensor:
        if self._restyled:
            return step.image[: len(step.plain)]
        model = self._model
        return model.normalize(PhotometricChange()(step.plain * model.pixel_std + model.pixel_mean))

    def _close_pass(self) -> None:
        """Keep of the sensitive elements those that are so in this pass too."""
        if self._images is None:
            raise SegibnError(
                "generalise.whitening: no statistics were gathered before the term sets in; "
                "start the training from its first iteration"
            )
        clusters, insensitive = self._settings.clusters, self._settings.insensitive_clusters
        for name, total in self._variances.items():
            mask = sensitive_mask(total / self._images, clusters, insensitive)
            self._sensitive[name] = mask & self._sensitive.get(name, mask)
