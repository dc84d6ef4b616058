"""``segibn predict`` as a user runs it, with an untrained network."""

import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from segibn.builders.checkpoints import load_segmenter
from segibn.cli import export, predict
from segibn.errors import CheckpointError, ConfigError, DatasetError, ImageFileError
from segibn.files.encode import write_image
from segibn.files.pictures import read_image, read_label_map
from segibn.files.writing import read_json
from segibn.inference.predictor import Predictor
from segibn.media.codecs import choose_codec
from segibn.runs.convert import convert


@pytest.fixture
def call(make_run, tmp_path):
    """Return a function: inputs and options -> exit code; writes to tmp_path / out."""
    run = make_run("camvid", "camvid11")

    def call(*words, output=tmp_path / "out"):
        argv = [str(run), *map(str, words), "--output", str(output), "--device", "cpu"]
        return predict.main(argv)

    call.run = run
    return call


def test_a_folder_gives_maps_overlays_and_a_legend(call, datasets, tmp_path, capsys):
    frames = datasets / "camvid" / "val"
    assert call("--images", frames) == 0
    network = Predictor(load_segmenter(call.run / "checkpoints" / "last.pt")[0])
    for path in frames.iterdir():
        found = read_label_map(tmp_path / "out" / "labels" / path.name)
        np.testing.assert_array_equal(found, network(read_image(path)))
        assert (tmp_path / "out" / "overlays" / f"{path.stem}.jpg").exists()
    assert (tmp_path / "out" / "legend.png").exists()
    summary = read_json(tmp_path / "out" / "summary.json")
    assert (summary["frames"], summary["failed"]) == (3, [])
    assert sum(summary["class_shares"].values()) == pytest.approx(1)
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "frames of 48x64 are seen at 48x64 (H x W)"
    assert f"then: look into {tmp_path / 'out'}" in said


def test_bad_files_are_listed_with_a_fix_and_the_rest_is_done(call, tmp_path, capsys):
    frames = tmp_path / "frames"
    for name in ("good 1.jpg", "ünï/good2.png", "cut.jpg"):
        write_image(frames / name, np.full((40, 56, 3), 90, np.uint8))
    (frames / "cut.jpg").write_bytes((frames / "cut.jpg").read_bytes()[:300])
    (frames / "empty.png").touch()
    (frames / "text.jpg").write_text("<html>404</html>")
    cv2.imwrite(str(frames / "deep.png"), np.full((40, 56), 30000, np.uint16))
    assert call(frames) == 1
    found = sorted(p.name for p in (tmp_path / "out" / "labels").rglob("*.png"))
    assert found == ["good 1.png", "good2.png"]
    table = (tmp_path / "out" / "failed.txt").read_text()
    captured = capsys.readouterr()
    assert table in captured.err
    for name, reason in (
        ("cut.jpg", "cut short"),
        ("empty.png", "empty"),
        ("text.jpg", "web page"),
        ("deep.png", "more than 8 bits"),
    ):
        assert any(name in line and reason in line for line in table.splitlines())
    assert "--resume" in captured.out.splitlines()[-1]
    for name in ("cut.jpg", "empty.png", "text.jpg", "deep.png"):
        write_image(frames / name, np.full((40, 56, 3), 90, np.uint8))
    assert call(frames, "--resume") == 0
    assert not (tmp_path / "out" / "failed.txt").exists()
    assert read_json(tmp_path / "out" / "summary.json")["frames_done_before"] == 2


def test_nothing_good_is_said_and_strict_stops(call, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"")
    assert call(tmp_path / "bad.jpg") == 1
    assert "no frame could be predicted" in capsys.readouterr().out
    with pytest.raises(ImageFileError, match=r"bad\.jpg: the file is empty"):
        call(tmp_path / "bad.jpg", "--strict", output=tmp_path / "strict")


def test_mistakes_are_told_before_anything_is_computed(call, datasets, tmp_path):
    frames = datasets / "camvid" / "val"
    for words, error, message in (
        ([], ConfigError, "say what to predict"),
        ([tmp_path / "typo"], DatasetError, "no such file or folder"),
        ([frames, "--save", "video"], ConfigError, "no video among"),
        ([frames, "--video-codec", "vp8"], ConfigError, "no video is written"),
        ([frames, "--classes", "road,lorry"], ConfigError, "no 'lorry'; there are"),
        ([frames, "--save", "color", "--no-overlays"], ConfigError, "not both"),
        ([frames, "--alpha", "2"], ConfigError, "from 0 to 1"),
    ):
        with pytest.raises(error, match=message):
            call(*words)
    assert not (tmp_path / "out" / "labels").exists()
    for words in (["--save", "masks"], ["--resume", "--overwrite"]):
        with pytest.raises(SystemExit):
            call(frames, *words)


def test_an_image_and_a_video_together(call, tmp_path, capsys):
    write_image(tmp_path / "still.jpg", np.full((32, 48, 3), 90, np.uint8))
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (48, 32))
    for grey in range(0, 250, 50):
        writer.write(np.full((32, 48, 3), grey, np.uint8))
    writer.release()
    assert call(tmp_path / "still.jpg", f"{tmp_path}/*.avi", "--video-shows", "side-by-side") == 0
    out = tmp_path / "out"
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*/*"))
    assert written == ["labels/still.png", "overlays/still.jpg", "videos/drive.mp4"]
    video = cv2.VideoCapture(str(out / "videos" / "drive.mp4"))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (5, 5)
    assert video.read()[1].shape == (32, 104, 3)
    assert f"videos ({choose_codec().title}; plays in browsers)" in capsys.readouterr().out
    (tmp_path / "notes.txt").touch()
    assert call(tmp_path / "*.*", "--video-codec", "vp8", output=tmp_path / "two") == 0
    assert "passed over 1 file, neither picture nor video: notes.txt" in capsys.readouterr().err
    assert (tmp_path / "two" / "videos" / "drive.webm").read_bytes()[:4] == b"\x1aE\xdf\xa3"


def maps_in(folder):
    return {path.name: read_label_map(path) for path in sorted((folder / "labels").iterdir())}


def test_weights_as_safetensors_predict_the_same(call, datasets, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    file = tmp_path / "network.safetensors"
    convert(call.run / "checkpoints" / "last.pt", file)
    frames = datasets / "camvid" / "val"
    assert call(frames) == 0
    assert predict.main([str(file), str(frames), "--output", str(tmp_path / "two")]) == 0
    one, two = maps_in(tmp_path / "out"), maps_in(tmp_path / "two")
    assert list(one) == list(two)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    safetensors.save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match="without a checkpoint's config"):
        predict.main([str(file), str(frames), "--output", str(tmp_path / "three")])


@pytest.mark.slow
def test_an_exported_onnx_file_predicts_what_the_run_does(call, datasets, tmp_path):
    pytest.importorskip("onnxruntime")
    file, frames = tmp_path / "model.onnx", datasets / "camvid" / "val"
    assert export.main([str(call.run), "--output", str(file)]) == 0
    ways = ([], ["--input-size", "64x96", "--batch-size", "2"], ["--flip", "--scales", "0.5,1"])
    for number, words in enumerate([*ways, ["--window", "32x48"]]):
        ours, theirs = tmp_path / f"run{number}", tmp_path / f"onnx{number}"
        assert call(frames, *words, output=ours) == 0
        assert predict.main([str(file), str(frames), *words, "--output", str(theirs)]) == 0
        one, two = maps_in(ours), maps_in(theirs)
        for name in one:  # but for pixels whose two best classes are as good as equal
            assert (one[name] == two[name]).mean() > 0.995, words
    for words in (["--precision", "bfloat16"], ["--ensemble", str(call.run)], ["--device", "cuda"]):
        with pytest.raises(ConfigError, match=r"onnx"):
            predict.main([str(file), str(frames), *words, "--output", str(tmp_path / "no")])
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cut short or no ONNX"):
        predict.main([str(file), str(frames), "--output", str(tmp_path / "no")])


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_ctrl_c_leaves_whole_files_and_says_how_many(call, repository, tmp_path):
    frames = tmp_path / "frames"
    frame = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    write_image(frames / "000.jpg", frame)
    for number in range(1, 150):
        shutil.copy(frames / "000.jpg", frames / f"{number:03d}.jpg")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "segibn", "predict", str(call.run)]
    command += [str(frames), "--output", str(out), "--device", "cpu"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:  # children inherit what is ignored, and a shell's background jobs ignore SIGINT
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 60
    while len(list((out / "labels").glob("*.png"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    done = list((out / "labels").glob("[!.]*.png"))
    assert 5 <= len(done) < 150
    assert f"interrupted: {len(done)} files done" in said
    assert "Traceback" not in said
    for path in done:
        assert read_label_map(path).shape == (600, 800)
    assert not list(out.rglob(".*"))
