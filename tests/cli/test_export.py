"""``segibn export`` as it is called, and the code of its page."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.results_table import fill_tables
from segibn.builders.checkpoints import load_segmenter
from segibn.cli import evaluate, export, predict
from segibn.cli.main import main
from segibn.description import parse_description
from segibn.errors import CheckpointError, ConfigError, DatasetError, SegibnError
from segibn.export.exported import GraphNetwork
from segibn.files.encode import write_image
from segibn.files.writing import read_json
from segibn.inference.predictor import Predictor
from segibn.runs.export import calibration_frames, write_safetensors
from segibn.runs.loading import load_checkpoint

safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra `export`")
safe_open = safetensors.safe_open
pytest.importorskip("onnxruntime", reason="needs the extra `export`")


@pytest.fixture(scope="module")
def run(make_run):
    return make_run("camvid", "camvid11", "a")


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "export.md").read_text()


def test_a_safetensors_file_alone_rebuilds_the_network(run, tmp_path, capsys):
    path = tmp_path / "my model.safetensors"
    assert export.main([str(run), "--output", str(path)]) == 0
    assert f"then: segibn predict '{path}' FRAMES" in capsys.readouterr().out.replace("python -m segibn", "segibn")
    network, config, meta = load_segmenter(run / "checkpoints" / "last.pt")
    again, config_again, meta_again = load_segmenter(path)
    assert config_again == config
    for key in ("class_names", "palette", "classes", "iteration", "versions", "format_version"):
        assert meta_again[key] == meta[key]
    for (name, value), (other, found) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        assert value.equal(found)
    second = tmp_path / "second.safetensors"
    assert export.main([str(path), "--output", str(second)]) == 0
    assert _notes(second) == _notes(path)
    assert parse_description(_notes(path)["segibn"], "x").class_names == tuple(meta["class_names"])


def test_weights_in_16_bits_take_half_the_room_and_give_nearly_the_same(run, tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    for path, more in ((whole, ()), (half, ("--half",))):
        assert export.main([str(run), "--output", str(path), *more]) == 0
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    network, *_ = load_segmenter(whole)
    again, *_ = load_segmenter(half)
    kept = again.state_dict()
    for name, value in network.state_dict().items():
        assert kept[name].dtype == value.dtype
        expected = value.half().to(value.dtype) if value.is_floating_point() else value
        assert kept[name].equal(expected)
    with pytest.raises(ConfigError, match=r"--half belongs to \.safetensors and \.mlpackage files"):
        export.main([str(run), "--output", str(tmp_path / "a.onnx"), "--half"])
    large = tmp_path / "large"
    shutil.copytree(run, large)
    path = large / "checkpoints" / "last.pt"
    content = torch.load(path, weights_only=True)
    key = next(k for k, v in content["model"].items() if v.is_floating_point())
    content["model"][key].view(-1)[0] = 70_000  # float16 ends at 65,504
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="in 16 bits"):
        export.main([str(large), "--output", str(half), "--half"])


def test_a_safetensors_file_from_anybody_is_checked(run, tmp_path):
    path = tmp_path / "model.safetensors"
    export.main([str(run), "--output", str(path)])
    whole = path.read_bytes()
    for cut in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match=r"model\.safetensors is cut short"):
            load_segmenter(path)
    path.write_bytes((1 << 62).to_bytes(8, "little") + whole[8:])
    with pytest.raises(CheckpointError, match="cut short or no safetensors"):
        load_segmenter(path)
    path.write_bytes(whole)
    notes, tensors = _notes(path), safetensors.load_file(path)
    for changes, message in (
        ({"palette": "[[0, 0, 300]]"}, "classes are not valid"),
        ({"class_names": '["a"]'}, "classes are not valid"),
        ({"class_names": "{"}, "without a checkpoint's config"),
        ({"config": "[" * 9999}, "without a checkpoint's config"),
        ({"config": '{"name": "x"}'}, "config is not one that this version"),
        ({"format_version": "99"}, "update segibn"),
        ({"config": notes["config"].replace('"channels": 4', '"channels": 99999999')}, "channels"),
        # Other widths are compared before anything is built.
        ({"config": notes["config"].replace('"channels": 4', '"channels": 2048')}, "another"),
    ):
        safetensors.save_file(tensors, path, metadata=notes | changes)
        with pytest.raises(CheckpointError, match=message):
            load_segmenter(path)


def _notes(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output", "model.h5"], ".onnx, .xml, .tflite, .mlpackage, .pt2 and .safetensors"),
        (["--output", "m.safetensors", "--labels"], "--labels belongs to .onnx, .xml, .tflite"),
        (["--output", "m.pt2", "--int8", "--calibrate", "."], "--int8 belongs to .onnx"),
        (["--output", "m.onnx", "--int8"], "belong together"),
        (["--output", "m.onnx", "--calibrate", "."], "belong together"),
        (["--output", "m.safetensors", "--time"], "--time belongs to .onnx"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_network_is_loaded(words, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        export.main(["no_such_run", *words])


def test_a_folder_that_is_none_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("m.onnx", "m.pt2", "m.safetensors"):
        with pytest.raises(SegibnError, match="no folder to write in"):
            export.main([str(run), "--output", str(tmp_path / "file" / name)])
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        export.main([str(run), "--output", str(tmp_path / "m.onnx")])
    (tmp_path / "empty").mkdir()
    words = ["--output", str(tmp_path / "n.onnx"), "--int8", "--calibrate", str(tmp_path / "empty")]
    with pytest.raises(DatasetError, match="holds no images"):
        export.main([str(run), *words])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "m.onnx"]


def test_calibration_frames_are_spread_over_the_folder(tmp_path):
    for number in range(70):
        write_image(tmp_path / f"{number:02d}.png", np.full((2, 2, 3), number, np.uint8))
    seen = [int(frame[0, 0, 0]) for frame in calibration_frames(tmp_path)]
    assert len(seen) == 32
    assert seen == sorted(set(seen))
    assert (seen[0], seen[-1]) == (0, 67)


def test_a_broken_calibration_frame_is_skipped_and_said(tmp_path, capsys):
    for number in range(70):
        write_image(tmp_path / f"{number:02d}.png", np.full((2, 2, 3), number, np.uint8))
    (tmp_path / "00.png").write_bytes((tmp_path / "00.png").read_bytes()[:40])
    seen = [int(frame[0, 0, 0]) for frame in calibration_frames(tmp_path)]
    assert (len(seen), seen[0]) == (32, 1)
    assert "skipped: " in (said := capsys.readouterr().err)
    assert "00.png" in said


def test_the_pages_code_runs_without_torch_and_gives_the_networks_map(run, page, tmp_path, capsys):
    assert export.main([str(run), "--output", str(tmp_path / "model.onnx"), "--time"]) == 0
    assert re.search(r"PyTorch \d+ ms, ONNX Runtime \d+ ms", capsys.readouterr().out)
    random = np.random.default_rng(0)
    frame = np.kron(random.integers(0, 256, (9, 13, 3)), np.ones((11, 11, 1))).astype(np.uint8)
    write_image(tmp_path / "street.png", frame)
    [code] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    alone = "import sys; sys.modules['torch'] = sys.modules['segibn'] = None\n" + code
    done = subprocess.run([sys.executable, "-c", alone], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    network, _, meta = load_segmenter(run / "checkpoints" / "last.pt")
    expected = Predictor(network)(frame)
    picture = Image.open(tmp_path / "street_labels.png")
    assert (np.asarray(picture) == expected).mean() > 0.999
    assert picture.getpalette()[: 3 * 11] == [v for color in meta["palette"] for v in color]
    assert str([meta["class_names"][index] for index in np.unique(expected)]) in done.stdout


def test_the_pages_commands_parse(page):
    commands = re.findall(r"^segibn (export|predict) ([^\n#]*)", page, flags=re.MULTILINE)
    assert len(commands) >= 5
    for verb, words in commands:
        {"export": export, "predict": predict}[verb].build_parser().parse_args(shlex.split(words))


@pytest.mark.parametrize("name", ["docs/export.md", "benchmarks/README.md"])
def test_tables_are_those_of_the_results(name, repository):
    text = (repository / name).read_text()
    assert "<!-- results:benchmarks/export_scores -->" in text
    assert fill_tables(text, repository / "results") == text


@pytest.mark.parametrize("suffix", [".onnx", *(pytest.param(s, marks=pytest.mark.slow) for s in (".pt2", ".xml"))])
def test_a_file_is_written_only_where_it_scores_what_the_network_does(
    suffix, run, datasets, tmp_path, capsys, monkeypatch
):
    if suffix == ".xml":
        pytest.importorskip("openvino")
    path = tmp_path / "out" / f"model{suffix}"
    words = [str(run), "--output", str(path), "--on", "camvid:val", "--datasets", str(datasets)]
    assert export.main(words) == 0
    said = capsys.readouterr().out
    of_network, of_file = (float(number) for number in re.findall(r"(\d+\.\d+) % of the (?:network|file)", said))
    scores = tmp_path / "e.json"
    assert evaluate.main([str(run), "--datasets", str(datasets), "--device", "cpu", "--output", str(scores)]) == 0
    assert of_network == pytest.approx(100 * read_json(scores)["miou"], abs=0.006)
    assert of_file == pytest.approx(of_network, abs=0.1)
    assert f"{path}: logits differ" in said
    for written in path.parent.iterdir():
        written.unlink()

    def upside_down(self, image):
        return self._run(image).flip(1)

    monkeypatch.setattr(GraphNetwork, "coarse_logits", upside_down)
    with pytest.raises(SegibnError, match=r"% of the file; they may differ by 0\.1 points, so nothing was written"):
        export.main(words)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ConfigError, match=r"--on belongs to \.onnx, .* files"):
        export.main([str(run), "--output", str(tmp_path / "m.safetensors"), "--on", "camvid:val"])
    with pytest.raises(ConfigError, match="--datasets has no effect without --on"):
        export.main([str(run), "--output", str(path), "--datasets", str(datasets)])


def test_an_exported_network_names_no_folder_of_the_machine(run, tmp_path):
    network, config, meta = load_segmenter(run / "checkpoints" / "last.pt")
    train = config.data.train.model_copy(update={"names_file": str(tmp_path / "secret" / "few.txt")})
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"train": train}), "init_from": "runs/a.pt"}
    )
    write_safetensors(tmp_path / "m.safetensors", network, config, meta)
    assert str(tmp_path) not in str(_notes(tmp_path / "m.safetensors"))
    _, again, _ = load_segmenter(tmp_path / "m.safetensors")
    assert again.data.train.names_file == "few.txt"
    train = train.model_copy(update={"names_file": "camvid_frames_train.txt"})  # one that ships is found by its name
    config = config.model_copy(update={"data": config.data.model_copy(update={"train": train})})
    write_safetensors(tmp_path / "m.safetensors", network, config, meta)
    assert Path(load_segmenter(tmp_path / "m.safetensors")[1].data.train.names_file).is_file()


def test_litert_repeats_the_network_from_a_file_that_describes_itself(run, datasets, tmp_path):
    said = _in_a_process(run, tmp_path / "m.tflite", "--on", "camvid:val", "--datasets", str(datasets), "--time")
    found = re.search(r"frames of 48x64; logits differ.*mIoU on camvid:val: ([\d.]+) % .*, ([\d.]+) % of", said)
    assert found is not None
    assert float(found[1]) == pytest.approx(float(found[2]), abs=0.1)
    assert "LiteRT" in said
    assert "XNNPACK" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]
    network, _, meta = load_segmenter(run / "checkpoints" / "last.pt")
    frame = torch.from_numpy(np.random.default_rng(5).integers(0, 256, (1, 3, 48, 64), np.uint8))
    with torch.no_grad():
        expected = network.eval()(network.normalize(frame)).logits
    logits = torch.from_numpy(_of_litert(tmp_path / "m.tflite", "logits", frame.float()))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4 * max(1, float(expected.abs().max())))
    with zipfile.ZipFile(tmp_path / "m.tflite") as notes:
        described = parse_description(notes.read("segibn.json"), "m")
        assert notes.read("labels.txt").decode().splitlines() == meta["class_names"]
    assert described.class_names == tuple(meta["class_names"])
    assert described.input_size == (48, 64)


@pytest.mark.slow
def test_litert_gives_label_maps_of_frames_as_they_come(run, tmp_path):
    assert "all near ties" in _in_a_process(run, tmp_path / "m.tflite", "--labels")
    frame = np.random.default_rng(5).integers(0, 256, (1, 48, 64, 3), np.uint8)
    network, *_ = load_segmenter(run / "checkpoints" / "last.pt")
    expected = Predictor(network)(frame[0])
    found = _of_litert(tmp_path / "m.tflite", "labels", torch.from_numpy(frame))
    assert found.dtype == np.uint8
    assert (found[0] == expected).mean() > 0.999


def _in_a_process(run, path, *words):
    """Export by itself -> what it says; the converter brings JAX, in whose process nothing may fork."""
    pytest.importorskip("ai_edge_litert", reason="needs the extra `tflite`")
    command = [sys.executable, "-m", "segibn", "export", str(run), "--output", str(path), "--input-size", "48x64"]
    done = subprocess.run([*command, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _of_litert(path, name, frame):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": [name]}}
    return interpreter.get_signature_runner()(image=frame.numpy())[name]


def test_options_of_other_files_are_refused(run, tmp_path):
    def refused(name, *options):
        with pytest.raises(ConfigError) as error:
            export.main([str(run), "--output", str(tmp_path / name), *options])
        return str(error.value)

    assert "--input-size belongs to .tflite and .mlpackage files" in refused("m.onnx", "--input-size", "64x128")
    assert "--half belongs to .safetensors and .mlpackage files" in refused("m.tflite", "--half")
    if sys.platform != "darwin":
        assert "Core ML runs on macOS alone" in refused("m.mlpackage", "--on", "camvid:val")
    assert not any(tmp_path.iterdir())


def test_weights_of_several_trainings_are_averaged(run, make_run, tmp_path):
    other, path = make_run("camvid", "camvid11", "a", seed=1), tmp_path / "mean.safetensors"
    assert export.main([str(run), "--output", str(path), "--average", f"{other}=0.4"]) == 0
    states = [torch.load(r / "checkpoints" / "last.pt", weights_only=True)["model"] for r in (run, other)]
    network, _, meta = load_segmenter(path)
    for key, value in network.state_dict().items():
        first, second = (state[key].numpy() for state in states)
        expected = (
            0.6 * first.astype(np.float64) + 0.4 * second.astype(np.float64) if value.is_floating_point() else first
        )
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-6, atol=1e-8, err_msg=key)
    assert not np.array_equal(states[0]["head.classifier.weight"], network.state_dict()["head.classifier.weight"])
    assert meta["averaged"] == f"0.6 of {run.name}, 0.4 of {other.name}"
    assert load_checkpoint(path).record()["averaged"] == meta["averaged"]
    assert parse_description(_notes(path)["segibn"], "x").averaged == meta["averaged"]
    assert main(["card", str(path), "--output", str(tmp_path / "card.md")]) == 0
    assert f"its weights are a mean: 0.6 of {run.name}" in (tmp_path / "card.md").read_text().replace("\\", "")


def test_only_networks_of_one_kind_and_shares_below_one_are_averaged(run, make_run, tmp_path):
    words = [str(run), "--output", str(tmp_path / "m.safetensors"), "--average"]
    with pytest.raises(ConfigError, match="another architecture"):
        export.main([*words, f"{make_run('camvid', 'camvid11', 'none')}=0.5"])
    with pytest.raises(ConfigError, match="other classes"):
        export.main([*words, f"{make_run('cityscapes', 'cityscapes19', 'a')}=0.5"])
    with pytest.raises(ConfigError, match="less than 1 in all"):
        export.main([*words, "a.pt=0.5", "b.pt=0.6"])
    with pytest.raises(SystemExit):
        export.main([*words, "a.pt=1.5"])
    assert not any(tmp_path.iterdir())
