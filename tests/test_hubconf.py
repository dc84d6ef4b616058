"""``torch.hub.load`` gives the reference project's networks, by its names, with its numbers."""

import dataclasses
import hashlib
import http.server
import importlib.util
import json
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import segibn
from segibn.engine.checkpoint import ClassTable, save_checkpoint
from segibn.errors import CheckpointError
from segibn.models.weights.sources import PUBLISHED

REFERENCE = [f"resnet{depth}_ibn_{ibn}" for ibn in "ab" for depth in (18, 34, 50, 101)]
REFERENCE += ["resnext101_ibn_a", "se_resnet101_ibn_a"]
# Those whose outputs were measured; resnet34_ibn_b is the one of the reference without.
GOLDEN = Path(__file__).parent / "golden" / "models"
MEASURED = sorted(path.stem for path in GOLDEN.glob("*_ibn_[ab].json"))
QUICK = ["resnet18_ibn_a", "resnet18_ibn_b", "densenet121_ibn_a"]


@pytest.fixture(scope="module")
def entry(tmp_path_factory, repository):
    """Load an entry point of the checkout through torch.hub, in a hub folder of its own."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path_factory.mktemp("hub"))

    def load(name, *args, **options):
        return torch.hub.load(str(repository), name, *args, source="local", trust_repo=True, **options)

    yield load
    torch.hub.set_dir(before)


def _listed(repository):
    """What torch.hub.list would show: it has no way to look at a local folder."""
    spec = importlib.util.spec_from_file_location("hubconf_listed", repository / "hubconf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {k: v for k, v in vars(module).items() if callable(v) and not k.startswith("_")}


def _fill(network):
    """The rule of tests/golden/models/README.md."""
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        z = np.random.RandomState(zlib.crc32(key.encode())).randn(*value.shape)
        if key.endswith("running_var"):
            z = 1 + 0.1 * np.abs(z)
        elif value.ndim >= 2:
            z = z / np.sqrt(np.prod(value.shape[1:]))
        else:
            z = 0.1 * z + (1 if key.endswith("weight") else 0)
        value.copy_(torch.from_numpy(np.asarray(z, np.float32)))
    return network.eval()


def test_the_reference_projects_entry_points_are_there_and_help_themselves(repository):
    names = _listed(repository)
    assert set(REFERENCE) <= set(names)
    assert {"segmenter", "predictor"} <= set(names)
    assert all(function.__doc__ for function in names.values())


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in MEASURED])
@torch.no_grad()
def test_outputs_are_the_reference_implementations(entry, name):
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    network = _fill(entry(name, pretrained=False))
    image = torch.from_numpy(np.random.RandomState(0).randn(2, 3, 64, 96)).float()
    expected = golden["tensors"]["logits"]
    logits = network(image)
    assert list(logits.shape) == expected["shape"]
    values = torch.tensor(expected["values"], dtype=torch.float32)
    found = logits.flatten()[:: expected["stride"]]
    torch.testing.assert_close(found, values, atol=1e-4, rtol=1e-4)


def test_every_other_entry_point_makes_a_classifier(entry, repository):
    names = _listed(repository)
    others = set(names) - set(REFERENCE) - {"segmenter", "predictor", "street_lite", "drivable_lite"}
    assert "mobilenet_v2_ibn_b" in others
    for name in others:
        with torch.device("meta"):
            network = entry(name, num_classes=7)
            assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@pytest.fixture
def publish(entry, monkeypatch):
    """Serve a file as the published weights of resnet18_ibn_a, under a name with a given hash."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def serve(path, digest=None):
            server.body = path.read_bytes()
            digest = digest or hashlib.sha256(server.body).hexdigest()[:8]
            url = f"http://127.0.0.1:{server.server_address[1]}/net-{digest}.pth"
            key = ("ibn_net", "resnet18", "a")
            monkeypatch.setitem(PUBLISHED, key, dataclasses.replace(PUBLISHED[key], url=url))

        for variable in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield serve
        server.shutdown()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


def test_pretrained_fills_everything_with_the_published_file(entry, publish, tmp_path):
    with torch.no_grad():
        state = _fill(entry("resnet18_ibn_a")).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    publish(tmp_path / "weights.pth")
    network = entry("resnet18_ibn_a", pretrained=True)
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key]), key
    publish(tmp_path / "weights.pth", "00000000")
    with pytest.raises(CheckpointError, match="by its SHA-256"):
        entry("resnet18_ibn_a", pretrained=True)
    del state["fc.bias"]
    torch.save(state, tmp_path / "weights.pth")
    publish(tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"does not fit resnet18(.|\n)*fc\.bias"):
        entry("resnet18_ibn_a", pretrained=True)


def test_weights_that_do_not_exist_are_refused(entry):
    with pytest.raises(CheckpointError, match="no published weights for resnet152 with ibn: a"):
        entry("resnet152_ibn_a", pretrained=True)
    with pytest.raises(ValueError, match="have 1000 classes, not 19"):
        entry("resnet18_ibn_a", pretrained=True, num_classes=19)


def test_a_segmenter_comes_from_a_config_or_a_checkpoint(entry, tmp_path, monkeypatch):
    model = segibn.build("sample_ibn", weights="none", device="cpu")
    path = tmp_path / "last.pt"
    classes = ClassTable("cityscapes19", model.class_names, model.palette.tolist())
    save_checkpoint(path, model=model.module, config=model.config, classes=classes, iteration=1, training=None)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    trained = entry("segmenter", checkpoint=path)
    assert torch.equal(trained.predict(tensor), model.module.predict(tensor))
    found = entry("predictor", path, device="cpu").predict(image)
    np.testing.assert_array_equal(found.train_ids, model.predict(image).train_ids)
    network = entry("segmenter", "sample_ibn", weights="none")
    assert network(torch.zeros(1, 3, 64, 96)).logits.shape == (1, 19, 64, 96)
    with pytest.raises(CheckpointError, match=r"gone\.pt"):
        entry("segmenter", checkpoint=tmp_path / "gone.pt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no run or checkpoint 'gone'"):
        entry("predictor", "gone")
