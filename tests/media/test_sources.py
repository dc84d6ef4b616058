import pytest

from segibn.errors import DatasetError
from segibn.media.outputs import places_of
from segibn.media.sources import find_sources


@pytest.fixture
def tree(tmp_path):
    for name in ("a.jpg", "sub/a.jpg", "sub/straße 1.PNG", "sub/b.v2.tif", "sub/notes.txt"):
        _touch(tmp_path / "frames" / name)
    return tmp_path


def _touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _names(*inputs, **options):
    return [source.name for source in find_sources(inputs, **options).sources]


def test_a_folder_keeps_its_subfolders(tree):
    assert _names(tree / "frames") == ["a", "sub/a", "sub/b.v2", "sub/straße 1"]


def test_patterns_find_what_the_folder_does_and_name_it_the_same(tree):
    assert _names(f"{tree}/frames/**/*") == _names(tree / "frames")
    assert _names(f"{tree}/frames/*/*.[jt]*") == ["sub/a", "sub/b.v2"]


def test_brackets_in_a_files_name_are_no_pattern(tree):
    _touch(tree / "shot[1].png")
    assert _names(str(tree / "shot[1].png")) == ["shot[1]"]


def test_one_file_given_twice_is_predicted_once(tree):
    assert _names(tree / "frames" / "a.jpg", tree / "frames") == _names(tree / "frames")


def test_names_that_clash_are_told_apart_by_suffix_folder_and_number(tree):
    for name in ("frames/a.png", "x/in/c.jpg", "y/in/c.jpg", "z/c.jpg", "frames/A.bmp"):
        _touch(tree / name)
    inputs = (tree / "frames", tree / "x" / "in", tree / "y" / "in", tree / "z")
    names = _names(*inputs)
    assert names[:3] == ["A.bmp", "a.jpg", "a.png"]  # some file systems take A for a
    assert sorted(names[6:]) == ["in/c.jpg", "in/c.jpg_2", "z/c.jpg"]
    assert len({name.casefold() for name in names}) == len(names)


def test_frames_of_a_video_do_not_lie_among_a_folders_images(tree):
    _touch(tree / "frames" / "sub.mp4")
    assert "sub.mp4" in _names(tree / "frames")


def test_outputs_of_an_earlier_run_inside_the_input_are_left_out(tree):
    frames = tree / "frames"
    _touch(frames / "overlays" / "a.jpg")
    _touch(frames / "legend.png")
    assert {"overlays/a", "legend"} < set(_names(frames))
    assert _names(frames, left_out=places_of(frames)) == ["a", "sub/a", "sub/b.v2", "sub/straße 1"]


def test_inputs_that_are_not_there_or_hold_nothing_are_named(tree):
    (tree / "empty").mkdir()
    for text, message in (
        ("typo.jpg", "no such file or folder"),
        ("frames/*.gif", "matches no image"),
        ("empty", "holds no images"),
    ):
        with pytest.raises(DatasetError, match=message):
            find_sources([str(tree / text)])
