"""The criterion: its terms, and that the parts of an update add up to the whole."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from segibn.builders.losses import build_criterion
from segibn.config.schema import LossConfig, OhemConfig
from segibn.errors import ConfigError
from segibn.losses.criterion import REGION_LOSSES, SegmentationLoss
from segibn.losses.cross_entropy import cross_entropy, ohem_cross_entropy
from segibn.losses.regions import dice_loss, lovasz_softmax
from segibn.models.segmenter import SegmenterOutput

K = 4
CPU = torch.device("cpu")
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0])
Batch = tuple[Tensor, Tensor]


class Output(NamedTuple):
    logits: Tensor
    aux_logits: Tensor | None


def test_auxiliary_loss_is_added_with_its_weight(batch: Batch) -> None:
    logits, target = batch
    aux = logits.detach().flip(1)
    total, parts = SegmentationLoss(aux_weight=0.4)(Output(logits, aux), target)
    expected = cross_entropy(logits, target) + 0.4 * cross_entropy(aux, target)
    torch.testing.assert_close(total, expected)
    assert parts["main"] == cross_entropy(logits, target)
    assert parts["aux"] == cross_entropy(aux, target)
    assert not any(part.requires_grad for part in parts.values())


def test_without_auxiliary_logits_the_main_loss_is_all(batch: Batch) -> None:
    logits, target = batch
    total, parts = SegmentationLoss()(Output(logits, None), target)
    assert torch.equal(total, cross_entropy(logits, target))
    assert list(parts) == ["main"]


def test_every_term_of_the_config_is_added_with_its_weight(batch: Batch) -> None:
    logits, target = batch
    aux = logits.detach().flip(1)
    config = LossConfig(
        class_weights=(0.5, 2, 1, 3),
        label_smoothing=0.1,
        ohem=OhemConfig(threshold=0.3, min_kept=0.4),
        dice_weight=0.7,
        lovasz_weight=0.2,
        aux_weight=0.5,
    )
    options = {"class_weights": WEIGHTS, "label_smoothing": 0.1, "threshold": 0.3, "min_kept": 0.4}
    expected = {
        "main": ohem_cross_entropy(logits, target, **options),
        "dice": dice_loss(logits, target),
        "lovasz": lovasz_softmax(logits, target),
        "aux": ohem_cross_entropy(aux, target, **options),
    }
    total, parts = build_criterion(config, K, CPU)(Output(logits, aux), target)
    assert parts == expected
    factors = {"main": 1.0, "dice": 0.7, "lovasz": 0.2, "aux": 0.5}
    torch.testing.assert_close(total, sum(factors[name] * expected[name] for name in factors))


def test_default_config_is_plain_cross_entropy(batch: Batch) -> None:
    logits, target = batch
    total, _ = build_criterion(LossConfig(), K, CPU)(Output(logits, logits), target)
    torch.testing.assert_close(total, 1.4 * cross_entropy(logits, target))


def test_number_of_class_weights_must_fit_the_classes() -> None:
    with pytest.raises(ConfigError, match=r"loss\.class_weights has 3 numbers.* 4 classes"):
        build_criterion(LossConfig(class_weights=(1, 2, 3)), K, CPU)


DICE = {"dice": (1.0, dice_loss)}


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.main, self.aux = nn.Conv2d(3, K, 1).double(), nn.Conv2d(3, K, 1).double()

    def forward(self, image: Tensor) -> Output:
        return Output(self.main(image), self.aux(image))


def images_and_targets() -> Batch:
    """Eight images, of which each has another number of valid pixels, and one none at all."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 6, 7, generator=generator, dtype=torch.float64)
    target = torch.randint(0, K, (8, 6, 7), generator=generator, dtype=torch.uint8)
    for index in range(8):
        target[index].view(-1)[: 6 * index] = 255
    assert (target[7] == 255).all()
    return images, target


def step(criterion: SegmentationLoss, ranks: int, micro_batches: int) -> tuple[float, dict[str, float], list[Tensor]]:
    """Loss, its parts and the gradients of one update over eight images, split as told.

    What ranks do is done here in turn: each adds up its micro-batches' gradients, and the ranks'
    are averaged.
    """
    images, target = images_and_targets()
    model = TwoHeads()
    shards = [
        list(zip(i.chunk(micro_batches), t.chunk(micro_batches), strict=True))
        for i, t in zip(images.chunk(ranks), target.chunk(ranks), strict=True)
    ]
    local = [sum(criterion.normalizer(t) for _, t in shard) for shard in shards]
    normalizer = sum(local) / ranks
    losses: dict[str, float] = {}
    for shard in shards:
        for image, part in shard:
            loss, parts = criterion(model(image), part, normalizer=normalizer, share=1 / micro_batches)
            (loss / ranks).backward()
            for name, value in {"loss": loss, **parts}.items():
                losses[name] = losses.get(name, 0.0) + value.item() / ranks
    return losses.pop("loss"), losses, [parameter.grad for parameter in model.parameters()]


SPLITS = [(2, 1), (1, 4), (2, 2), (4, 2)]


@pytest.mark.parametrize(("ranks", "micro_batches"), SPLITS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_ranks_and_micro_batches_give_the_loss_and_gradient_of_one_batch(
    ranks: int, micro_batches: int, weights: Tensor | None, smoothing: float
) -> None:
    criterion = SegmentationLoss(class_weights=weights, label_smoothing=smoothing)
    images, target = images_and_targets()
    model = TwoHeads()
    loss, parts = criterion(model(images), target)
    loss.backward()
    split_loss, split_parts, gradients = step(criterion, ranks, micro_batches)
    assert split_loss == pytest.approx(loss.item(), rel=1e-12)
    assert split_parts == pytest.approx({k: v.item() for k, v in parts.items()}, rel=1e-12)
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("ranks", "micro_batches"), SPLITS)
def test_region_losses_and_ohem_are_averages_over_ranks_and_micro_batches(ranks: int, micro_batches: int) -> None:
    criterion = SegmentationLoss(
        ohem={"threshold": 0.3, "min_kept": 0.1}, regions={name: (1.0, loss) for name, loss in REGION_LOSSES.items()}
    )
    images, target = images_and_targets()
    outputs = TwoHeads()(images)
    parts = [
        criterion(Output(*output), t)[1]
        for *output, t in zip(*(x.chunk(ranks * micro_batches) for x in (*outputs, target)), strict=True)
    ]
    expected = {k: sum(p[k].item() for p in parts) / len(parts) for k in parts[0]}
    _, split_parts, _ = step(criterion, ranks, micro_batches)
    assert list(split_parts) == ["main", "dice", "lovasz", "aux"]
    assert split_parts == pytest.approx(expected, rel=1e-12)


def test_a_share_without_a_normalizer_scales_every_term(batch: Batch) -> None:
    logits, target = batch
    criterion = SegmentationLoss(regions=DICE)
    whole, _ = criterion(Output(logits, logits), target)
    quarter, _ = criterion(Output(logits, logits), target, share=0.25)
    torch.testing.assert_close(4 * quarter, whole)


def test_a_coarse_output_gives_the_loss_and_gradients_of_the_resized_one() -> None:
    torch.manual_seed(0)
    target = torch.randint(0, 4, (2, 16, 24), dtype=torch.uint8)
    target[0, :3] = 255
    weights = torch.rand(4, dtype=torch.float64) + 0.5
    shapes = [(2, 4, 4, 6), (2, 4, 2, 3)]
    for options in ({}, {"class_weights": weights}, {"label_smoothing": 0.1}, {"regions": DICE}):
        criterion = SegmentationLoss(**options)
        losses, gradients = [], []
        for resized in (False, True):
            torch.manual_seed(1)
            coarse = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
            output = SegmenterOutput(*coarse, (16, 24), align_corners=False)
            if resized:
                output = Output(output.logits, output.aux_logits)
            loss, parts = criterion(output, target)
            loss.backward()
            losses.append({"loss": loss.item(), **{k: v.item() for k, v in parts.items()}})
            gradients.append([tensor.grad for tensor in coarse])
        assert losses[0] == pytest.approx(losses[1], rel=1e-10)
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other)
