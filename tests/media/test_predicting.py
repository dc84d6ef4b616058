"""The whole way from files to files, with a predictor that anyone can check by eye."""

import contextlib
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from segibn.errors import ConfigError, SegibnError
from segibn.files.pictures import read_image, read_label_map
from segibn.media.faults import Faults, MediaError
from segibn.media.journal import Journal
from segibn.media.outputs import Outputs, chosen_classes, places_of
from segibn.media.predicting import Work, of_equal_size
from segibn.media.sources import find_sources

PALETTE = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)


def brightness(frame):
    """Class 0, 1 or 2 by how red a pixel is."""
    return (frame[..., 0] // 86).astype(np.uint8)


def brightness_of_many(frames):
    assert len({frame.shape for frame in frames}) == 1
    return [brightness(frame) for frame in frames]


def work_on(folder, output, mode="new", predict=brightness, batch=1, strict=False, **options):
    """Return the work, done, and the faults."""
    outputs = Outputs(output, PALETTE, **{"drawn": np.ones(3, bool), **options})
    many = brightness_of_many if predict is brightness else lambda frames: [*map(predict, frames)]
    with Journal(output, {"alpha": outputs.alpha}, mode) as journal:
        work = Work(many, batch, outputs, journal, Faults(strict))
        work.run(find_sources([folder], places_of(output)).sources)
    return work


@pytest.fixture
def frames(make_image, tmp_path):
    """Ten frames of three sizes in turn, the ninth of one in a folder of its own."""
    folder = tmp_path / "my frames"
    for number in range(10):
        path = folder / ("übung" if number == 8 else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_image(16 + 8 * (number % 3), 40, number)).save(path)
    return folder


def test_every_frame_gets_its_label_map_whatever_the_batch(frames, tmp_path):
    for batch in (1, 3):
        output = tmp_path / f"out{batch}"
        work = work_on(frames, output, batch=batch)
        assert work.tally.frames == 10
        for path in frames.rglob("*.png"):
            name = path.relative_to(frames)
            found = read_label_map(output / "labels" / name)
            np.testing.assert_array_equal(found, brightness(read_image(path)))
            assert (output / "overlays" / name.with_suffix(".jpg")).is_file()
        counts = [np.bincount(brightness(read_image(p)).ravel(), minlength=3) for p in frames.rglob("*.png")]
        np.testing.assert_array_equal(work.tally.pixels, np.sum(counts, 0))


def test_files_that_vanish_meanwhile_are_failures_and_do_not_stop_the_rest(frames, tmp_path):
    def predict_once(frame):
        for path in frames.rglob("*.png"):
            path.unlink()
        return brightness(frame)

    work = work_on(frames, tmp_path / "out", predict=predict_once)
    done = sorted((tmp_path / "out" / "labels").rglob("*.png"))
    assert work.tally.frames == len(done) >= 1
    assert work.tally.frames + len(work.faults.found) == 10
    assert {fault.reason for fault in work.faults.found} <= {"no such file"}


def test_frames_of_one_size_share_a_batch_though_they_are_no_neighbours():
    small, large = np.zeros((2, 2, 3)), np.zeros((4, 4, 3))
    groups = list(of_equal_size([(i, (small, large)[i % 2]) for i in range(10)], 4))
    assert [[name for name, _ in group] for group in groups] == [[0, 2, 4, 6], [1, 3, 5, 7], [8], [9]]
    mixed = list(of_equal_size([(i, np.zeros((i, 1, 3))) for i in range(1, 30)], 2))
    assert sorted(name for group in mixed for name, _ in group) == list(range(1, 30))


def test_bad_files_are_noted_and_the_rest_is_predicted(frames, tmp_path):
    (frames / "0.png").write_bytes((frames / "0.png").read_bytes()[:60])
    (frames / "empty.jpg").touch()
    (frames / "text.jpg").write_text("hello")
    cv2.imwrite(str(frames / "deep.png"), np.full((8, 8), 40000, np.uint16))
    work = work_on(frames, tmp_path / "out", batch=2)
    assert sorted(fault.path.name for fault in work.faults.found) == ["0.png", "deep.png", "empty.jpg", "text.jpg"]
    assert work.tally.frames == len(list((tmp_path / "out" / "labels").rglob("*.png"))) == 9
    with pytest.raises(MediaError):
        work_on(frames, tmp_path / "strict", strict=True)


def test_a_frame_too_large_for_the_memory_fails_alone(frames, tmp_path):
    def small_memory(frame):
        if frame[0, 0, 0] == read_image(frames / "4.png")[0, 0, 0] and frame.shape[0] == 24:
            raise MemoryError
        return brightness(frame)

    work = work_on(frames, tmp_path / "out", predict=small_memory, batch=4)
    assert [fault.path.name for fault in work.faults.found] == ["4.png"]
    assert work.tally.frames == 9
    with pytest.raises(ZeroDivisionError):  # a bug is no fault of a file
        work_on(frames, tmp_path / "bug", predict=lambda frame: 1 // 0)


def test_what_is_interrupted_goes_on_where_it_stopped(frames, tmp_path):
    output, seen = tmp_path / "out", []

    def interrupted(frame):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(frame)
        return brightness(frame)

    with pytest.raises(KeyboardInterrupt):
        work_on(frames, output, predict=interrupted)
    done = {path: path.read_bytes() for path in output.rglob("*.png")}
    assert len(done) == 6
    (output / "labels" / ".9.0123abcd.part.png").write_bytes(b"half")  # of a killed process
    with (output / "predictions.jsonl").open("a") as file:
        file.write('{"name": "9", "pix')
    work = work_on(frames, output, "resume")
    assert (work.tally.earlier, work.tally.frames) == (6, 4)
    assert all(path.read_bytes() == content for path, content in done.items())
    assert len(list((output / "labels").rglob("*.p*"))) == 10
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(frames / "3.png")  # another picture
    (output / "overlays" / "5.jpg").unlink()
    again = work_on(frames, output, "resume")
    assert again.tally.frames == 2
    assert read_label_map(output / "labels" / "3.png").shape == (8, 8)
    whole = work_on(frames, tmp_path / "afresh")
    np.testing.assert_array_equal(again.tally.pixels, whole.tally.pixels)


def test_a_second_run_neither_replaces_nor_mixes_unless_told(frames, tmp_path):
    output = tmp_path / "out"
    work_on(frames, output)
    with pytest.raises(ConfigError, match=r"10 files done.*--resume.*--overwrite"):
        work_on(frames, output)
    with pytest.raises(ConfigError, match=r"alpha: 0\.4, now 0\.9"):
        work_on(frames, output, "resume", alpha=0.9)
    before = (output / "overlays" / "1.jpg").read_bytes()
    assert work_on(frames, output, "overwrite", alpha=0.9).tally.frames == 10
    assert (output / "overlays" / "1.jpg").read_bytes() != before


def test_pictures_show_what_was_asked_for(frames, tmp_path):
    save = ("labels", "color", "overlay", "side-by-side")
    drawn = chosen_classes(["red", "green", "blue"], ["green"])
    work_on(frames, tmp_path, "overwrite", save=save, drawn=drawn, alpha=0.25)
    frame = read_image(frames / "1.png")
    ids = brightness(frame)
    np.testing.assert_array_equal(read_label_map(tmp_path / "labels" / "1.png"), ids)
    colors = read_image(tmp_path / "colors" / "1.png")
    np.testing.assert_array_equal(colors, np.where((ids == 1)[..., None], PALETTE[1], 0))
    expected = np.where((ids == 1)[..., None], 0.75 * frame + 0.25 * PALETTE[1], frame)
    picture = read_image(tmp_path / "overlays" / "1.jpg")
    assert np.median(np.abs(picture - expected)) < 3  # JPEG keeps colours at half the size
    beside = read_image(tmp_path / "side_by_side" / "1.jpg")
    assert beside.shape == (24, 88, 3)
    assert np.median(np.abs(beside[:, :40].astype(int) - frame)) < 3
    assert np.median(np.abs(beside[:, 48:].astype(int) - picture)) < 3
    with pytest.raises(ConfigError, match="there are red, green, blue"):
        chosen_classes(["red", "green", "blue"], ["gren"])


def test_an_overlay_too_wide_for_jpeg_becomes_a_png(tmp_path):
    wide = np.full((1, 66000, 3), 200, np.uint8)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    work_on(tmp_path / "wide.png", tmp_path / "out")
    assert read_image(tmp_path / "out" / "overlays" / "wide.png").shape == wide.shape
    assert work_on(tmp_path / "wide.png", tmp_path / "out", "resume").tally.earlier == 1


@pytest.mark.parametrize("batch", [1, 4])
def test_a_video_gives_a_video_and_the_label_map_of_every_frame(make_image, tmp_path, batch):
    path, output = tmp_path / "drive é.mkv", tmp_path / "out"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 12.5, (48, 34))
    for seed in range(10):
        writer.write(make_image(34, 48, seed))
    writer.release()
    work = work_on(path, output, batch=batch, save=("labels", "video"), video_shows="color")
    assert not work.faults.found
    assert work.tally.frames == 10
    source, result = cv2.VideoCapture(str(path)), cv2.VideoCapture(f"{output}/videos/drive é.mp4")
    assert result.get(cv2.CAP_PROP_FPS) == 12.5
    for number in range(10):
        ids = brightness(cv2.cvtColor(source.read()[1], cv2.COLOR_BGR2RGB))
        found = read_label_map(output / "labels" / "drive é" / f"{number:06d}.png")
        np.testing.assert_array_equal(found, ids)
        picture = cv2.cvtColor(result.read()[1], cv2.COLOR_BGR2RGB)
        assert picture.shape == (34, 48, 3)
        assert (picture.argmax(2) == ids).mean() > 0.85  # colours at half the size
    assert not result.read()[0]
    assert work_on(path, output, "resume", save=("labels", "video")).tally.earlier == 10


def test_a_video_that_no_encoder_takes_fails_alone(tmp_path):
    for name, width in (("1_wide.avi", 4100), ("2_plain.avi", 48)):
        writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*"MJPG"), 25, (width, 32))
        for grey in (0, 100, 200):
            writer.write(np.full((32, width, 3), grey, np.uint8))
        writer.release()
    work = work_on(tmp_path, tmp_path / "out", video_shows="side-by-side")
    assert [fault.path.name for fault in work.faults.found] == ["1_wide.avi"]
    assert "32x8208" in work.faults.found[0].reason
    assert [path.name for path in (tmp_path / "out" / "videos").iterdir()] == ["2_plain.mp4"]


def test_an_interrupted_video_leaves_none(make_image, tmp_path):
    path, seen = tmp_path / "drive.avi", []
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (48, 32))
    for seed in range(20):
        writer.write(make_image(32, 48, seed))
    writer.release()

    def interrupted(frame):
        seen.append(frame)
        if len(seen) == 12:
            raise KeyboardInterrupt
        return brightness(frame)

    with pytest.raises(KeyboardInterrupt):
        work_on(path, tmp_path / "out", predict=interrupted)
    assert list((tmp_path / "out" / "videos").iterdir()) == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    work = work_on(path, tmp_path / "out", "resume")
    assert "frames could be read" in work.faults.found[0].reason
    kept = cv2.VideoCapture(str(tmp_path / "out" / "videos" / "drive.mp4"))
    assert kept.get(cv2.CAP_PROP_FRAME_COUNT) == work.tally.frames
    assert 0 < work.tally.frames < 20


def test_an_output_that_cannot_be_written_stops_at_once(frames, tmp_path):
    output, seen = tmp_path / "out", []
    output.mkdir()
    (output / "labels").write_text("in the way")

    def watched(frame):
        seen.append(frame)
        return brightness(frame)

    with pytest.raises(SegibnError, match=r"labels.*cannot be written"):
        work_on(frames, output, "overwrite", predict=watched)
    assert len(seen) < 10
    lines = (output / "predictions.jsonl").read_text().splitlines()
    assert [list(json.loads(line)) for line in lines] == [["settings"]]


def test_a_full_disk_stops_a_video_and_keeps_none(make_image, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (320, 320))
    for seed in range(60):
        writer.write(make_image(320, 320, seed))
    writer.release()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))  # stands for the disk's end
    try:
        with pytest.raises(SegibnError, match="disk full"):
            work_on(path, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with contextlib.suppress(FileNotFoundError):
        assert list((tmp_path / "out" / "videos").iterdir()) == []
