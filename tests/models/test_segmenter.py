import pytest
import torch
from torchvision.transforms.v2 import functional as transforms

from segibn.models.backbones import build_backbone
from segibn.models.heads.fcn import FCNHead
from segibn.models.segmenter import Segmenter

K = 7


@pytest.fixture(scope="module")
def model() -> Segmenter:
    torch.manual_seed(0)
    backbone = build_backbone("resnet18", "a", 16)
    specs = backbone.feature_specs
    head = FCNHead(specs, K, channels=16, dilation=6)
    torch.nn.init.normal_(head.classifier.weight)
    return Segmenter(backbone, head, FCNHead(specs, K, channels=16, layer="layer3"))


def _images(n: int = 2, size: tuple[int, int] = (45, 71)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, *size), dtype=torch.uint8, generator=generator)


def test_normalisation_is_that_of_the_published_weights(model: Segmenter) -> None:
    images = _images()
    before = images.clone()
    expected = transforms.normalize(
        transforms.to_dtype(images, torch.float32, scale=True), mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(model.normalize(images), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(images, before)


def test_preprocessing_constants_are_not_part_of_a_checkpoint(model: Segmenter) -> None:
    assert not any(key.startswith("pixel_") for key in model.state_dict())
    assert {key.split(".")[0] for key in model.state_dict()} == {"backbone", "head", "aux_head"}


@pytest.mark.parametrize("size", [(64, 96), (45, 71)])
def test_logits_have_the_size_of_the_input_and_auxiliary_ones_exist_in_training(
    model: Segmenter, size: tuple[int, int]
) -> None:
    image = model.normalize(_images(size=size))
    with torch.no_grad():
        trained, evaluated = model.train()(image), model.eval()(image)
    assert trained.logits.shape == trained.aux_logits.shape == (2, K, *size)
    assert evaluated.logits.shape == (2, K, *size)
    assert evaluated.aux_logits is None


@torch.no_grad()
def test_predict_is_the_argmax_of_forward(model: Segmenter) -> None:
    model.eval()
    pred = model.predict(_images())
    logits = model(model.normalize(_images())).logits
    assert pred.dtype == torch.uint8
    assert torch.equal(pred.long(), logits.argmax(dim=1))
    assert len(pred.unique()) > 1


def test_predict_gives_the_size_asked_for_whatever_the_network_saw(model: Segmenter) -> None:
    model.eval()
    assert model.predict(_images(), size=(90, 142)).shape == (2, 90, 142)
    assert model.predict(_images(), input_size=(32, 48)).shape == (2, 45, 71)
    assert model.predict(_images(), (20, 30), (32, 48)).shape == (2, 20, 30)


def test_an_image_is_predicted_alike_alone_and_in_a_batch(model: Segmenter) -> None:
    images = _images(3)
    batch = model.eval().predict(images)
    alone = torch.cat([model.predict(image[None]) for image in images])
    assert (batch == alone).float().mean() > 0.999  # equal but for rounding at class borders


def test_half_precision_training_gives_float32_logits(model: Segmenter) -> None:
    image = model.normalize(_images(size=(32, 32)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model.train()(image)
    assert output.logits.dtype == output.aux_logits.dtype == torch.float32
    output.logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.head.parameters())
