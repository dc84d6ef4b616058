"""One optimiser update: a batch (uint8 images, train ids) on each rank -> new weights.

Nothing here makes the host wait for the device: loss and stop requests are read later.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segibn import distributed
from segibn.builders.augment import build_augmentation
from segibn.builders.losses import build_criterion
from segibn.builders.perturb import attach_perturbations
from segibn.config.schema import RunConfig
from segibn.data.plan import plan_batch
from segibn.devices import accurate_dtype, image_layout, keep_freed_memory
from segibn.engine.ema import WeightAverage
from segibn.engine.objective import Step, Trainee
from segibn.engine.optim import build_optimizer, set_learning_rate
from segibn.engine.precision import apply_tf32, autocast, choose_dtype
from segibn.engine.terms.build import build_objective
from segibn.models.segmenter import Segmenter
from segibn.models.share_norm import set_iteration

Batch = dict[str, Any]

# torch renamed the option, and warns of the old name.
_SENDS_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in signature(DistributedDataParallel).parameters
)


@dataclass
class Pending:
    """What an update left on the device: read it after the next update was launched."""

    iteration: int  # index of the update, from 0
    batch: Batch  # this rank's samples
    lr: float
    loss_scale: Tensor | None  # of float16 training, 0-dim on the device
    launched: float  # when the host was done with it, by ``time.monotonic``
    _numbers: Tensor
    _event: torch.cuda.Event | None

    def read(self) -> tuple[float, bool]:
        """Wait for this update -> the global batch's mean loss, whether any rank wants to stop."""
        if self._event is not None:
            self._event.synchronize()
        loss, stops = self._numbers.tolist()
        return loss, stops > 0


class Updater:
    """The network in training with all that an update needs.

    Optimizer, scaler, average and objective have the state that a checkpoint must hold. ``model``:
    the bare network on its device and in its layout, with batch norms already synchronised among
    ranks; gets hooks where features are to be perturbed. ``class_names``: by train id. ``groups``:
    of the label sets.
    """

    def __init__(
        self, config: RunConfig, model: Segmenter, class_names: Sequence[str] = (), groups: Sequence[Sequence[str]] = ()
    ) -> None:
        self.config, self.model = config, model
        self.stepping: Callable[[], AbstractContextManager[Any]] = nullcontext
        """What the steps of optimiser and average run in, for a clock."""
        self.device = model.pixel_mean.device
        self.dtype = choose_dtype(config.engine.precision, self.device)
        apply_tf32(config.engine.precision, self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        _, world = distributed.rank_and_world()
        self.plan = plan_batch(config.optim.global_batch_size, world, config.engine.max_micro_batch)
        indices = [[class_names.index(name) for name in group] for group in groups]
        self.criterion = build_criterion(config.loss, model.num_classes, self.device, indices)
        self.optimizer = build_optimizer(model, config.optim, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.average = WeightAverage(model, config.ema.decay) if config.ema else None
        self.augmentation = build_augmentation(config.generalise, class_names)
        self.objective = build_objective(config, Trainee(model, self.average, class_names, self.device))
        attach_perturbations(model.backbone, config.generalise)  # after the average's copy
        if config.engine.compile:
            model.compile(dynamic=False)
        self._stepped: nn.Module = model
        if world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            # Every rank computes the same running statistics: they need not be sent.
            options = {"device_ids": ids, _SENDS_BUFFERS: False, "gradient_as_bucket_view": True}
            self._stepped = DistributedDataParallel(model, **options)
        self._is_settled = world == 1

    @property
    def predicting_model(self) -> Segmenter:
        """The network to score and to keep: the moving average where there is one."""
        return self.model if self.average is None else self.average.model

    def update(self, batch: Batch, iteration: int, *, wants_to_stop: bool = False) -> Pending:
        """Do the update of this index, on every rank, each with its samples of the global batch.

        ``wants_to_stop``: a signal came to this rank; the others learn of it from the result.
        """
        if not self._is_settled:
            self._settle_buckets(batch["image"][: self.plan.micro_batch])
        # Dropout is a function of seed, iteration and rank, so that no RNG state is saved.
        rank, _ = distributed.rank_and_world()
        torch.manual_seed(int(np.random.SeedSequence((self.config.seed, iteration, rank)).generate_state(1)[0]))
        lr = set_learning_rate(self.optimizer, iteration, self.config.optim)
        set_iteration(self.model, iteration)
        overlaps = self.device.type == "cuda"  # there batches are page-locked
        images = batch["image"].to(self.device, non_blocking=overlaps)
        target = batch["target"].to(self.device, non_blocking=overlaps)
        images, target, views = self._augment(images, target)
        normalizer, stops = self._agree(target, wants_to_stop)
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), dtype=accurate_dtype(self.device), device=self.device)
        micro_batches = (part.split(self.plan.micro_batch) for part in (images, target, *views))
        in_ranks = isinstance(self._stepped, DistributedDataParallel)
        for step, (plain, labels, *seen) in enumerate(zip(*micro_batches, strict=True), start=1):
            # Ranks exchange gradients once an update, with the last micro-batch.
            with self._stepped.no_sync() if in_ranks and step < self.plan.steps else nullcontext():
                loss += self._backward(plain, labels, seen, normalizer, iteration)
        loss_scale = self.scaler.scale(torch.ones_like(loss)) if self.scaler.is_enabled() else None
        self._step()
        set_iteration(self.predicting_model, iteration + 1)  # as a checkpoint will be read
        numbers, event = self._on_its_way(loss, stops)
        return Pending(iteration, batch, lr, loss_scale, time.monotonic(), numbers, event)

    def prepare(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB 0..255 on the device -> normalised, in the layout of the config."""
        layout = image_layout(self.device, self.config.engine.channels_last)
        return self.model.normalize(images).contiguous(memory_format=layout)

    @torch.no_grad()
    def _augment(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Images and targets after mixing, and the restyled views that the network is to see."""
        if self.augmentation is None:
            return images, target, [images] * self.objective.views
        images, target = self.augmentation.mix(images.to(torch.float32), target)
        return images, target, [self.augmentation.restyle(images) for _ in range(self.objective.views)]

    def _settle_buckets(self, images: Tensor) -> None:
        """Let DistributedDataParallel sort its gradients before the first update, not after it."""
        # It learns the order of gradients from the first backward pass, and packs them anew. More
        # than two summands give other last bits in another place of a pack (rings start their sums
        # at different ranks), so the first update after a resume would differ from the same update
        # of an uncut run. A pass that leaves no trace makes the packs the same from the start.
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        with autocast(self.dtype, self.device):
            output = self._stepped(self.prepare(images.to(self.device)))
        parts = (output.coarse_logits, output.coarse_aux_logits)
        sum(logits.sum() for logits in parts if logits is not None).backward()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        self._is_settled = True

    def _backward(
        self, plain: Tensor, target: Tensor, views: list[Tensor], normalizer: Tensor, iteration: int
    ) -> Tensor:
        """Add one micro-batch's gradients; return its part of the loss."""
        count = len(views)
        if count > 1:
            target, normalizer = target.repeat(count, 1, 1), normalizer * count
        with autocast(self.dtype, self.device):
            image = self.prepare(torch.cat(views) if count > 1 else views[0])
            output = self._stepped(image)
        share = 1 / self.plan.steps
        loss, _ = self.criterion(output, target, normalizer=normalizer, share=share)
        if self.objective:
            step = Step(iteration, self.prepare(plain), image, self.criterion.without_groups(target), output, count)
            loss = loss + share * self.objective(step)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def _step(self) -> None:
        with self.stepping():
            if (limit := self.config.optim.clip_grad_norm) is not None:
                self.scaler.unscale_(self.optimizer)
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.average is not None:
                self.average.update(self.model)

    def _agree(self, target: Tensor, wants_to_stop: bool) -> tuple[Tensor, Tensor]:
        """Mean over ranks of the loss's divisor, and how many ranks want to stop: one exchange."""
        normalizer = self.criterion.normalizer(target).to(accurate_dtype(self.device))
        numbers = torch.stack([normalizer, torch.full_like(normalizer, float(wants_to_stop))])
        if dist.is_initialized():
            dist.all_reduce(numbers)
            numbers[0] /= dist.get_world_size()
        return numbers[0], numbers[1]

    def _on_its_way(self, loss: Tensor, stops: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
        """Mean loss over ranks and ``stops``, on their way to the host, and when they are there."""
        if dist.is_initialized():
            dist.all_reduce(loss)
            loss /= dist.get_world_size()
        numbers, event = torch.stack([loss, stops]), None
        if self.device.type == "cuda":
            numbers = torch.empty(2, dtype=torch.float64, pin_memory=True).copy_(numbers, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        return numbers, event
