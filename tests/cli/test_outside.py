"""Networks of others, scored: the confusion of a plain loop over the library's own forward."""

import json

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional as F

import segibn
from segibn.cli import cross_domain, evaluate, predict
from segibn.data.datasets.catalog import dataset_source
from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.files.encode import write_image, write_label_png
from segibn.files.pictures import read_image
from segibn.files.writing import read_json
from segibn.runs.outside import Said

CAMVID = dataset_source("camvid").label_set()
NAMES = CAMVID.class_names[::-1]  # in another order: names count, not numbers
K = len(NAMES)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def camvid(tmp_path_factory):
    """A CamVid of three frames of 64 x 64."""
    root, random = tmp_path_factory.mktemp("outside"), np.random.default_rng(0)
    for number in range(3):
        small = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = small.repeat(8, 0).repeat(8, 1)
        name = f"0001TP_00{number:04d}.png"
        write_image(root / "camvid" / "val" / name, image)
        target = random.integers(0, 12, (8, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        write_label_png(root / "camvid" / "valannot" / name, target)
    return root


def _frames(root):
    for path in sorted((root / "camvid" / "val").iterdir()):
        raw = read_image(root / "camvid" / "valannot" / path.name)[..., 0]
        yield read_image(path), CAMVID.lookup[raw]


def _expected(root, predict_ids, mean=MEAN, std=STD, scale=1 / 255):
    """Confusion of a plain loop; ``predict_ids``: (1, 3, H, W) normalised -> (H, W) classes."""
    confusion = np.zeros((K, K + 1), int)
    table = np.array([NAMES.index(name) for name in CAMVID.class_names] + [255])
    for image, target in _frames(root):
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() * scale
        pixels = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
        with torch.no_grad():
            found = predict_ids(pixels).numpy()
        valid = target != 255
        np.add.at(confusion, (table[target[valid]], found[valid]), 1)
    return confusion


def _best(logits, size=(64, 64)):
    return F.interpolate(logits, size, mode="bilinear")[0].argmax(0)


def _evaluate(source, root, tmp_path, *more):
    output = tmp_path / "scores.json"
    argv = [str(source), "--dataset", "camvid", "--datasets", str(root), "--device", "cpu"]
    assert evaluate.main([*argv, "--output", str(output), *more]) == 0
    return read_json(output)


def _agree(scores, expected):
    assert scores["class_names"] == list(NAMES)
    assert expected.sum() > 0
    assert (expected.sum(0) > 0).sum() > 1  # more than one class is predicted
    np.testing.assert_array_equal(scores["confusion"], expected)


# Hugging Face ------------------------------------------------------------------------------------


def _swin(hf):
    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    sizes = {"embed_dim": 12, "depths": [1] * 4, "num_heads": [1] * 4, "window_size": 2}
    return hf.SwinConfig(image_size=64, **sizes, out_features=stages)


def _convnext(hf):
    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    return hf.ConvNextConfig(hidden_sizes=[8] * 4, depths=[1] * 4, out_features=stages)


_VIT = {"image_size": 64, "patch_size": 16, "hidden_size": 16, "num_attention_heads": 2}
_DETR = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
_DETR |= {"d_model": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
_MASK = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "num_attention_heads": 2}
_MASK |= {"encoder_feedforward_dim": 16, "dim_feedforward": 16, "num_queries": 6}

_EOMT = {"num_hidden_layers": 2, "num_blocks": 1, "num_queries": 6, "num_upscale_blocks": 1}

FAMILIES = {
    "Segformer": lambda hf: {
        "hidden_sizes": [8, 8, 16, 16],
        "depths": [1] * 4,
        "num_attention_heads": [1] * 4,
        "decoder_hidden_size": 16,
    },
    "UperNet": lambda hf: {"backbone_config": _convnext(hf), "hidden_size": 16, "auxiliary_in_channels": 8},
    "DPT": lambda hf: {
        **_VIT,
        "num_hidden_layers": 4,
        "intermediate_size": 16,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [8] * 4,
        "fusion_hidden_size": 16,
    },
    "Beit": lambda hf: {
        **_VIT,
        "num_hidden_layers": 4,
        "intermediate_size": 16,
        "out_indices": [1, 2, 3, 4],
        "use_auxiliary_head": False,
        "pool_scales": [1, 2],
    },
    "Data2VecVision": lambda hf: {
        **_VIT,
        "num_hidden_layers": 4,
        "intermediate_size": 16,
        "out_indices": [0, 1, 2, 3],
        "use_auxiliary_head": False,
        "pool_scales": [1, 2],
    },
    "MobileNetV2": lambda hf: {"depth_multiplier": 0.25},
    "MobileViT": lambda hf: {"hidden_sizes": [8] * 3, "neck_hidden_sizes": [8] * 7, "num_attention_heads": 2},
    "MobileViTV2": lambda hf: {"width_multiplier": 0.5},
    "Mask2Former": lambda hf: {**_MASK, "backbone_config": _swin(hf), "decoder_layers": 2},
    "MaskFormer": lambda hf: {
        "backbone_config": _swin(hf),
        "decoder_config": hf.DetrConfig(**_DETR, num_queries=6),
        "fpn_feature_size": 32,
        "mask_feature_size": 32,
    },
    "OneFormer": lambda hf: {
        "backbone_config": _swin(hf),
        "num_queries": 6,
        **{key: 32 for key in ("conv_dim", "mask_dim", "hidden_dim", "encoder_feedforward_dim", "dim_feedforward")},
        **{"encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2, "text_encoder_num_layers": 1},
        **{"text_encoder_width": 32, "text_encoder_vocab_size": 256, "text_encoder_context_length": 20},
        "task_seq_len": 20,
    },
    "Eomt": lambda hf: {**_VIT, **_EOMT},
    "EomtDinov3": lambda hf: {**_VIT, **_EOMT, "intermediate_size": 16, "num_register_tokens": 1},
}
UNIVERSAL = {"Mask2Former", "MaskFormer", "OneFormer", "Eomt", "EomtDinov3"}


def _hugging_face(family, folder):
    """Write a small random network of a family, as ``save_pretrained`` does."""
    hf = pytest.importorskip("transformers", reason="needs transformers")
    torch.manual_seed(0)
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}
    config = getattr(hf, f"{family}Config")(**FAMILIES[family](hf), **labels)
    ends = ("ForSemanticSegmentation", "ForUniversalSegmentation", "ForInstanceSegmentation")
    kind = next(kind for end in ends if (kind := getattr(hf, f"{family}{end}", None)))
    network = kind(config).eval()
    for name, parameter in network.named_parameters():  # heads start at zero: classes must differ
        if parameter.ndim > 1:
            is_last = "class" in name or "head" in name or "mask" in name
            torch.nn.init.normal_(parameter, std=0.5 if is_last else 0.2)
    network.save_pretrained(folder)
    if family == "OneFormer":
        _letters(hf).save_pretrained(folder)
    said = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    said |= {"image_mean": MEAN, "image_std": STD, "do_resize": True, "size": {"height": 512}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return network


def _letters(hf):
    """CLIP's tokenizer of single letters: OneFormer is told its task in words."""
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz")]
    words = ["<|startoftext|>", "<|endoftext|>", *letters]
    return hf.CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[])


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_networks_score_as_their_own_forward(family, camvid, tmp_path):
    network = _hugging_face(family, tmp_path / "net")
    more = {}
    if family == "OneFormer":
        from transformers import AutoTokenizer

        tokens = AutoTokenizer.from_pretrained(tmp_path / "net").encode("the task is semantic")
        more["task_inputs"] = torch.tensor([tokens + [tokens[-1]] * (20 - len(tokens))])[:, :20]

    def predict_ids(pixels):
        found = network(pixel_values=pixels, **more)
        if family not in UNIVERSAL:
            return _best(found.logits)
        classes = found.class_queries_logits.softmax(-1)[0, :, :-1]
        masks = found.masks_queries_logits.sigmoid()[0]
        return _best(torch.einsum("qc,qhw->chw", classes, masks)[None])

    scores = _evaluate(f"hf:{tmp_path / 'net'}", camvid, tmp_path)
    _agree(scores, _expected(camvid, predict_ids))
    assert scores["network"] == "hf:net"
    assert scores["train"] == "not stated"


def test_masks_are_squeezed_where_that_is_asked_for_and_the_signature_says_so(camvid, tmp_path):
    hf = pytest.importorskip("transformers", reason="needs transformers")
    network = _hugging_face("Mask2Former", tmp_path / "net")
    processor = hf.Mask2FormerImageProcessor()

    def predict_ids(pixels):
        sizes = {"target_sizes": [(64, 64)]}
        found = network(pixel_values=pixels)
        return processor.post_process_semantic_segmentation(found, **sizes)[0]

    scores = _evaluate(f"hf-384:{tmp_path / 'net'}", camvid, tmp_path)
    _agree(scores, _expected(camvid, predict_ids))
    assert "infer:whole-hf-384" in scores["signature"]


def test_a_network_without_a_trained_head_or_safetensors_is_refused(camvid, tmp_path):
    hf = pytest.importorskip("transformers", reason="needs transformers")
    network = _hugging_face("Segformer", tmp_path / "net")
    network.segformer.save_pretrained(tmp_path / "headless")
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    (tmp_path / "headless" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"no trained SemanticSegmentation: .* not in"):
        segibn.load(f"hf:{tmp_path / 'headless'}")
    (tmp_path / "net" / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no preprocessor_config\.json"):
        segibn.load(f"hf:{tmp_path / 'net'}")
    (tmp_path / "net" / "model.safetensors").unlink()
    (tmp_path / "net" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match=r"no \.safetensors: other weights are not opened"):
        segibn.load(f"hf:{tmp_path / 'net'}")
    hf.BertConfig().save_pretrained(tmp_path / "text")
    (tmp_path / "text" / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="bert is no network for segmentation"):
        segibn.load(f"hf:{tmp_path / 'text'}")
    with pytest.raises(CheckpointError, match="no such folder, and no name on the hub"):
        segibn.load("hf:./nowhere")


def test_frames_of_a_size_that_the_network_refuses_are_said_with_a_fix(tmp_path):
    _hugging_face("Eomt", tmp_path / "net")
    model = segibn.load(f"hf:{tmp_path / 'net'}", device="cpu")
    with pytest.raises(SegibnError, match=r"refuses frames of 48x80 .*--input-size"):
        model.predict(np.zeros((48, 80, 3), np.uint8))


# Others ------------------------------------------------------------------------------------------

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture
def named(tmp_path):
    """A file of class names, one a line."""
    path = tmp_path / "names.txt"
    path.write_text("\n".join(name.replace(" ", "_").title() for name in NAMES) + "\n")
    return path


def _spread(network):
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            is_last = "classifier" in name or "segmentation_head" in name
            torch.nn.init.normal_(parameter, std=0.5 if is_last else 0.2)
    return network.eval()


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp"])
def test_torchvision_networks_score_as_their_own_forward(name, camvid, tmp_path, named):
    from torchvision import models

    name = "lraspp_mobilenet_v3_large" if name == "lraspp" else name
    torch.manual_seed(0)
    network = models.get_model(name, weights=None, weights_backbone=None, num_classes=K)
    torch.save({"model": _spread(network).state_dict()}, tmp_path / "weights.pth")
    source = f"torchvision:{name}={tmp_path / 'weights.pth'}"
    scores = _evaluate(source, camvid, tmp_path, "--class-names", str(named))
    expected = _expected(camvid, lambda pixels: network(pixels)["out"][0].argmax(0), **IMAGENET)
    _agree(scores, expected)
    with pytest.raises(CheckpointError, match="has 11 classes, and their names are not in it"):
        segibn.load(source)
    with pytest.raises(CheckpointError, match="did you mean 'fcn_resnet50'"):
        segibn.load(f"torchvision:fcn_resnet5={tmp_path / 'weights.pth'}")


@pytest.mark.parametrize("kind", ["Unet", "FPN"])
def test_smp_networks_score_as_their_own_forward(kind, camvid, tmp_path, named):
    smp = pytest.importorskip("segmentation_models_pytorch", reason="needs smp")
    torch.manual_seed(0)
    network = _spread(getattr(smp, kind)("resnet18", encoder_weights=None, classes=K))
    network.save_pretrained(tmp_path / "net")
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    (tmp_path / "net" / "config.json").write_text(json.dumps(config | {"encoder_weights": "imagenet"}))  # no download
    more = ("--class-names", str(named), "--pixels", "imagenet")
    scores = _evaluate(f"smp:{tmp_path / 'net'}", camvid, tmp_path, *more)
    _agree(scores, _expected(camvid, lambda pixels: network(pixels)[0].argmax(0), **IMAGENET))


class _Small(torch.nn.Module):
    def __init__(self, labels=False):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.labels = torch.nn.Conv2d(3, K, 5, stride=4, padding=2), labels

    def forward(self, image):
        logits = self.conv(image)
        if not self.labels:
            return logits
        full = F.interpolate(logits, image.shape[-2:], mode="bilinear")
        return full.argmax(1).to(torch.int32)


@pytest.mark.parametrize("labels", [False, True])
def test_graphs_of_others_score_as_their_module(labels, camvid, tmp_path, named):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    network, path = _Small(labels).eval(), tmp_path / "net.onnx"
    torch.onnx.export(network, (torch.zeros(1, 3, 64, 64),), path, external_data=False)
    with pytest.raises(ConfigError, match="does not say what it wants of pixels: give --pixels"):
        segibn.load(path)
    more = ("--pixels", "imagenet", "--class-names", str(named))
    scores = _evaluate(path, camvid, tmp_path, *more)
    predict_ids = (lambda x: network(x)[0]) if labels else (lambda x: _best(network(x)))
    _agree(scores, _expected(camvid, predict_ids, **IMAGENET))
    assert "@64x64" in scores["signature"]  # the graph takes no other size
    model = onnx.load(path)
    for key, value in {"stride": "32", "names": str(dict(enumerate(NAMES)))}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)  # as ultralytics writes it: names and 0..1
    scores = _evaluate(path, camvid, tmp_path)
    _agree(scores, _expected(camvid, predict_ids, mean=(0, 0, 0), std=(1, 1, 1)))


def test_python_code_is_run_where_it_is_allowed(camvid, tmp_path, named, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "their_net.py").write_text(
        "import torch\ndef build():\n    torch.manual_seed(0)\n"
        f"    return torch.nn.Conv2d(3, {K}, 5, stride=4, padding=2)\n"
    )
    more = ("--class-names", str(named))
    argv = ["their_net:build", "--dataset", "camvid", "--datasets", str(camvid), *more]
    with pytest.raises(ConfigError, match="is Python code, which can do anything: --allow-code"):
        evaluate.main(argv)
    scores = _evaluate("their_net:build", camvid, tmp_path, *more, "--allow-code")
    network, plain = _Small().eval(), {"mean": (0, 0, 0), "std": (1, 1, 1), "scale": 1.0}
    _agree(scores, _expected(camvid, lambda x: _best(network(x)), **plain))


# Classes -----------------------------------------------------------------------------------------


def test_other_classes_need_a_map_which_is_signed(camvid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many = [f"thing {number}" for number in range(150 - K)] + [f"their {name}" for name in NAMES]
    many[3] = "sky"
    (tmp_path / "many.txt").write_text("\n".join(many))
    (tmp_path / "net.py").write_text(
        "import torch\ndef build():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Conv2d(3, 150, 5, stride=4, padding=2)\n"
    )
    more = ("--class-names", "many.txt", "--allow-code")
    with pytest.raises(ConfigError, match=r"the set no .*thing 0.*--class-map") as refused:
        _evaluate("net:build", camvid, tmp_path, *more)
    assert "the network has no building" in str(refused.value)
    rows = {f"their {name}": name for name in NAMES} | {"thing 7": "car", "thing 8": None}
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(rows))
    scores = _evaluate("net:build", camvid, tmp_path, *more, "--class-map", "map.yaml")
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 150, 5, stride=4, padding=2)
    ours = {name: place for place, name in enumerate(CAMVID.class_names)}
    table = torch.tensor([ours.get(rows.get(name, name), K) for name in many])
    expected = np.zeros((K, K + 1), int)
    for image, target in _frames(camvid):
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            found = table[_best(network(pixels))].numpy()
        np.add.at(expected, (target[target != 255], found[target != 255]), 1)
    assert expected[:, K].sum() > 0  # classes that are none of the set count as wrong
    np.testing.assert_array_equal(scores["confusion"], expected)
    assert scores["class_names"] == list(CAMVID.class_names)
    assert "|set:camvid-val~map-" in scores["signature"]
    (tmp_path / "map.yaml").write_text("their sky: heaven\n")
    with pytest.raises(ConfigError, match="has no class heaven"):
        _evaluate("net:build", camvid, tmp_path, *more, "--class-map", "map.yaml")


def test_a_network_of_the_19_classes_is_scored_in_those_that_sets_share(camvid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net19.py").write_text(
        "import torch\ndef build():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Conv2d(3, 19, 5, stride=4, padding=2)\n"
    )
    more = ("--class-names", "cityscapes19", "--pixels", "0..255", "--allow-code", "--class-map", "street11")
    scores = _evaluate("net19:build", camvid, tmp_path, *more)
    shared = [
        "sky",
        "building",
        "pole",
        "road",
        "sidewalk",
        "vegetation",
        "sign",
        "fence",
        "car",
        "person",
        "bicyclist",
    ]
    # road sidewalk building wall fence pole light sign vegetation terrain sky person rider car truck bus train ...
    nineteen = [3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10]  # CamVid's own 11 are in this order
    torch.manual_seed(0)
    network, table = torch.nn.Conv2d(3, 19, 5, stride=4, padding=2), np.array(nineteen)
    expected = np.zeros((11, 12), int)
    for image, target in _frames(camvid):
        with torch.no_grad():
            found = table[_best(network(torch.from_numpy(image).permute(2, 0, 1)[None].float())).numpy()]
        there = target != 255
        np.add.at(expected, (target[there], found[there]), 1)
    assert scores["class_names"] == shared
    with pytest.raises(ConfigError, match="--class-map street12: no such file; did you mean 'street11'"):
        _evaluate("net19:build", camvid, tmp_path, *more[:-1], "street12")
    np.testing.assert_array_equal(scores["confusion"], expected)


def test_options_for_networks_of_others_are_refused_where_they_change_nothing(camvid, tmp_path):
    for option in (["--allow-code"], ["--pixels", "0..1"], ["--class-names", "cityscapes19"]):
        with pytest.raises(ConfigError, match=f"{option[0]} is for networks of others"):
            evaluate.main([f"hf:{tmp_path}", "--dataset", "camvid", *option])
    with pytest.raises(SystemExit):  # without labels there is no class to map to
        predict.main([f"hf:{tmp_path}", str(tmp_path), "--class-map", "street11"])


def test_they_stand_beside_ours_in_a_table_and_predict_frames(camvid, tmp_path, save_untrained):
    _hugging_face("Segformer", tmp_path / "net")
    tree = {"name": "ours", "data": {"train": {"name": "camvid"}, "crop_size": [32, 32]}}
    save_untrained(tmp_path / "ours", tree, "camvid11", iteration=1)
    out, runs = tmp_path / "out", [str(tmp_path / "ours"), f"hf:{tmp_path / 'net'}"]
    argv = [*runs, "--on", "camvid:val", "--datasets", str(camvid), "--output", str(out)]
    assert cross_domain.main([*argv, "--device", "cpu"]) == 0
    rows = read_json(out / "cross_domain.json")
    assert [row["network"] for row in rows] == ["resnet50", "hf:net"]
    assert "checkpoint:not-stated" in rows[1]["signature"]
    table = (out / "cross_domain.md").read_text()
    assert "| not stated | hf:net |" in table
    frames, seen = str(camvid / "camvid" / "val"), str(tmp_path / "seen")
    assert predict.main([runs[1], frames, "--output", seen, "--device", "cpu"]) == 0
    (first, *_) = sorted((tmp_path / "seen" / "labels").rglob("*.png"))
    model = segibn.load(runs[1], device="cpu", said=Said())
    image = read_image(sorted((camvid / "camvid" / "val").iterdir())[0])
    np.testing.assert_array_equal(
        read_image(first)[..., 0] if read_image(first).ndim == 2 else _indices(first), model.predict(image).train_ids
    )


def _indices(path):
    from PIL import Image

    return np.asarray(Image.open(path))
