"""The whitening term against NumPy, and what it must leave alone."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.builders.checkpoints import read_checkpoint
from segibn.builders.models import build_segmenter
from segibn.config.generalise import WhiteningConfig
from segibn.config.load import load_config
from segibn.config.model import ModelConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Trainee
from segibn.engine.terms.whitening import CovarianceTaps, Whitening
from segibn.engine.train import train
from segibn.errors import ConfigError
from segibn.models.ibn import InstanceNorm2d
from segibn.models.segmenter import Segmenter
from segibn.models.sync_norm import synchronize_batch_norms

BACKBONE = {"name": "resnet18", "ibn": "b", "ibn_affine": False, "output_stride": 16}
NORMS = {"bn1": 64, "layer1.1.IN": 64, "layer2.1.IN": 128}
PARTS = "model.backbone={name: resnet18, ibn: b, ibn_affine: false, output_stride: 16}"
ISW = "generalise.whitening={statistics_after: 1, statistics_iterations: 2, statistics_passes: 2, weight: 0.3}"


def build_model(**backbone: object) -> Segmenter:
    torch.manual_seed(0)
    parts = {"backbone": BACKBONE | backbone, "head": {"name": "fcn", "channels": 8}}
    return build_segmenter(ModelConfig.model_validate(parts), 3).train()


def make_term(model: Segmenter, whitening: WhiteningConfig, **methods: object) -> Whitening:
    tree = {"name": "x", "data": {"train": {"name": "gta5"}}, "model": {"backbone": BACKBONE}}
    tree["generalise"] = {"whitening": whitening, **methods}
    trainee = Trainee(model, None, (), torch.device("cpu"))
    return Whitening(whitening, RunConfig.model_validate(tree), trainee)


def make_step(model: Segmenter, iteration: int, seed: int = 0) -> Step:
    generator = torch.Generator().manual_seed(seed)
    plain = torch.randn(4, 3, 64, 64, generator=generator)
    image = plain * torch.rand(4, 3, 1, 1, generator=generator) * 2
    output = model(image)
    return Step(iteration, plain, image, torch.zeros(4, 64, 64, dtype=torch.int64), output)


def assert_equal_trees(first: object, second: object) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_equal_trees(value, second[key])
    elif isinstance(first, list):
        for one, two in zip(first, second, strict=True):
            assert_equal_trees(one, two)
    elif isinstance(first, Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


def losses_of(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines) if "loss" in record]


def numpy_covariances(model: Segmenter, image: Tensor) -> dict[str, np.ndarray]:
    """Covariances of what the instance norms give, by hooks of the test's own."""
    found, handles = {}, []
    for name in NORMS:

        def keep(module, inputs, output, name=name) -> None:
            flat = output.detach().double().numpy().copy().reshape(*output.shape[:2], -1)
            found[name] = np.stack([np.cov(x, bias=True) for x in flat])

        handles.append(model.backbone.get_submodule(name).register_forward_hook(keep))
    with torch.no_grad():
        model.backbone(image)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(("kind", "margin"), [("iw", 0.0), ("irw", 0.1)])
def test_iw_and_irw_are_the_mean_over_the_norms_of_numpys_loss(kind: str, margin: float) -> None:
    model = build_model()
    settings = WhiteningConfig(kind=kind, **({"margin": margin} if margin else {}))
    term = make_term(model, settings)
    assert {name: norm.num_features for name, norm in term._taps.norms.items()} == NORMS
    reference = copy.deepcopy(model)
    step = make_step(model, 0)
    expected = []
    for name, matrices in numpy_covariances(reference, step.image).items():
        above = np.triu_indices(NORMS[name], 1)
        means = [np.abs(matrix[above]).mean() for matrix in matrices]
        expected.append(np.mean([max(mean - margin, 0.0) for mean in means]))
    loss = term(step)
    assert min(expected) == 0 or margin == 0  # the margin clamps some norms and not others
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)
    loss.backward()
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
    assert model.backbone.layer3[0].conv1.weight.grad is None  # only what lies before the norms


@pytest.mark.parametrize("passes", [1, 2])
def test_isw_whitens_what_moved_in_all_its_statistics_passes_and_nothing_before(passes: int) -> None:
    model = build_model()
    settings = WhiteningConfig(statistics_after=2, statistics_iterations=2, statistics_passes=passes)
    term = make_term(model, settings, pasta={})
    moved = {name: [] for name in NORMS}
    for iteration in range(4):
        step = make_step(model, iteration, seed=iteration)
        if iteration >= 2:
            model.eval()
            pairs = [numpy_covariances(model, image) for image in (step.plain, step.image)]
            model.train()
            for name in NORMS:
                moved[name] += list(np.var([pair[name] for pair in pairs], axis=0))
        assert term(step).item() == 0
    reference = copy.deepcopy(model)
    step = make_step(model, 4, seed=4)
    expected = []
    for name, matrices in numpy_covariances(reference, step.image).items():
        above = np.triu_indices(NORMS[name], 1)
        assert len(moved[name]) == 8
        found = []
        for images in np.split(np.array(moved[name]), passes):
            variance = np.triu(images.mean(axis=0), 1)
            found.append(variance[above] >= _start_of_second_cluster(variance.ravel()))
        sensitive = np.logical_and.reduce(found)
        assert 0 < sensitive.mean() < 1
        assert passes == 1 or (found[0] != found[1]).any()  # the intersection tells something
        expected.append(np.mean([np.abs(matrix[above][sensitive]).mean() for matrix in matrices]))
    assert term(step).item() == pytest.approx(np.mean(expected), rel=1e-3)


def _start_of_second_cluster(values: np.ndarray) -> float:
    """Least value of the second of three clusters: every pair of starts is tried."""
    ordered = np.sort(values)
    sums, squares = (np.append(0, np.cumsum(ordered**power)) for power in (1, 2))

    def cost(start, end):
        return squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)

    size, best = len(ordered), (np.inf, 0)
    for second in range(1, size - 1):
        thirds = np.arange(second + 1, size)
        rest = (cost(second, thirds) + cost(thirds, size)).min()
        best = min(best, (cost(0, second) + rest, second))
    return ordered[best[1]]


def test_the_statistics_pass_leaves_the_network_as_it_is() -> None:
    model = build_model()
    model.backbone.layer1[0].bn1.eval()  # a norm that the user froze
    term = make_term(model, WhiteningConfig(statistics_after=0))
    step = make_step(model, 0)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    term(step)
    assert_equal_trees(state, dict(model.state_dict()))
    assert [module.training for module in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert term.state_dict()["images"].item() == 4
    assert all((v.triu(1) > 0).any() for v in term.state_dict()["variances"].values())


def test_outputs_and_keys_are_those_of_the_network_without_the_term() -> None:
    model = build_model()
    plain = copy.deepcopy(model)
    term = make_term(model, WhiteningConfig(kind="iw"))
    assert model.state_dict().keys() == plain.state_dict().keys()
    image = torch.randn(2, 3, 64, 64)
    trained = []
    for network in (model, plain):
        torch.manual_seed(1)  # of dropout
        trained.append(network(image).logits)
    assert torch.equal(*trained)
    term._taps.take()
    model.eval(), plain.eval()
    assert torch.equal(model(image).logits, plain(image).logits)
    assert term._taps.take() == {}


def test_passes_of_a_copied_network_are_not_taken() -> None:
    model = build_model()
    taps = CovarianceTaps(model.backbone)
    taps.open_in_training = True
    copy.deepcopy(model)(torch.randn(2, 3, 64, 64))
    assert taps.take() == {}
    model(torch.randn(2, 3, 64, 64))
    assert taps.take().keys() == NORMS.keys()


def test_norms_without_weight_and_bias_are_found_in_the_deep_stem_too() -> None:
    taps = CovarianceTaps(build_model(stem="conv3x3").backbone)
    assert list(taps.norms) == ["conv1.1", "conv1.4", "layer1.1.IN", "layer2.1.IN"]
    assert all(isinstance(m, InstanceNorm2d) and not m.affine for m in taps.norms.values())


def test_a_run_cut_in_and_after_the_statistics_ends_with_the_same_bits(
    blocks: Path, blocks_config: Path, tmp_path: Path
) -> None:
    common = ["engine.checkpoint_every=1", "engine.keep_checkpoints=9", "data.val=null", PARTS]
    # Two micro-batches an update; without dropout, whose numbers in the second would follow from
    # what the first one's statistics pass drew.
    common += ["engine.max_micro_batch=1", "model.head.dropout=0", "model.aux_head.dropout=0"]
    common += ["optim.iterations=5"]
    without = load_config(blocks_config, common)
    train(without, datasets_root=blocks, output=tmp_path / "without")
    config = load_config(blocks_config, [*common, ISW])
    whole = train(config, datasets_root=blocks, output=tmp_path / "whole").checkpoint
    # Before the term sets in, its statistics pass included, nothing differs from a run without it.
    losses, plain = losses_of(tmp_path / "whole"), losses_of(tmp_path / "without")
    assert losses[:3] == plain[:3]
    assert losses[3] > plain[3]
    expected = read_checkpoint(whole)
    state = expected["training"]["objective"]["whitening"]
    assert state["images"].item() == 2  # of the second pass
    assert all(0 < mask.sum() < mask.numel() / 2 for mask in state["masks"].values())
    for cut in (2, 3, 4):
        run, part = tmp_path / f"cut{cut}", whole.with_name(f"iteration_{cut:08d}.pt")
        train(config, datasets_root=blocks, output=run, resume=str(part))
        found = read_checkpoint(run / "checkpoints/last.pt")
        for key in ("iteration", "model", "training"):
            assert_equal_trees(expected[key], found[key])
        assert losses_of(run) == losses[cut:]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], r"ibn=b model\.backbone\.ibn_affine=false"),
        (["model.backbone={name: mobilenet_v2, ibn: b}"], "on a residual network"),
        ([PARTS], r"ISW would set in at iteration 4954 of 6; lower statistics_after"),
    ],
)
def test_what_cannot_be_whitened_is_refused_before_any_work(
    overrides: list[str], message: str, blocks: Path, blocks_config: Path, tmp_path: Path
) -> None:
    config = load_config(blocks_config, [*overrides, "generalise.whitening={}"])
    with pytest.raises(ConfigError, match=message):
        train(config, datasets_root=blocks, output=tmp_path / "run")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"insensitive_clusters": 3}, "3 of 3 clusters leave none to whiten"),
        ({"margin": 0.1}, "margin belongs to kind: irw"),
        ({"statistics_iterations": 7}, "7 cannot be divided into 10 statistics_passes"),
    ],
)
def test_settings_that_mean_nothing_are_refused(section: dict, message: str) -> None:
    data = {"train": {"name": "gta5"}}
    with pytest.raises(ValueError, match=message):
        RunConfig.model_validate({"name": "x", "data": data, "generalise": {"whitening": section}})


def state_after_statistics(part: slice) -> dict:
    """The state of the term after statistics on a part of a batch, masks included."""
    model = synchronize_batch_norms(build_model(), torch.device("cpu")).double()
    settings = WhiteningConfig(statistics_after=0, statistics_iterations=1, statistics_passes=1)
    term = make_term(model, settings, pasta={})
    for iteration in range(2):
        whole = make_step(build_model(), iteration)
        plain, image = (x[part].double() for x in (whole.plain, whole.image))
        output = model(image)
        term(Step(iteration, plain, image, whole.target[part], output))
    return term.state_dict()


WORKER = """
import sys
import torch
import torch.distributed as dist
from test_whitening import state_after_statistics

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.save(state_after_statistics(slice(2 * rank, 2 * rank + 2)), f"{sys.argv[1]}/{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_ranks_find_the_masks_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    here = Path(__file__).resolve()
    path = os.pathsep.join(map(str, (here.parents[3], here.parent)))
    done = subprocess.run(
        [sys.executable, *launch, str(tmp_path / "worker.py"), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert_equal_trees(first, second)
    alone = state_after_statistics(slice(None))
    assert alone["images"].item() == first["images"].item() == 4
    for name in NORMS:
        torch.testing.assert_close(first["variances"][name], alone["variances"][name])
        assert torch.equal(first["masks"][name], alone["masks"][name])
