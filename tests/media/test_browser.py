"""A browser plays what is written, in its colours; MPEG-4 part 2 it does not."""

import base64

import numpy as np
import pytest

from segibn.media.codecs import CODECS, choose_codec, works
from segibn.media.video_writer import VideoWriter

COLORS = ((128, 64, 128), (70, 130, 180), (220, 20, 60))
PLAY = """async () => {
  const video = document.querySelector('video');
  await new Promise((done) => {
    video.onended = video.onerror = done;
    video.play().catch(done);
  });
  if (!video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  return [video.currentTime, canvas.height, [0.17, 0.5, 0.83].map(
    (x) => [...context.getImageData(x * canvas.width, 9, 1, 1).data].slice(0, 3))];
}"""


@pytest.fixture
def play(browser, tmp_path):
    def play(codec):
        picture = np.repeat(np.array([COLORS], np.uint8), 31, 0).repeat(21, 1)
        path = tmp_path / f"video{codec.suffix}"
        with VideoWriter(path, 12.5, picture.shape[:2], codec) as writer:
            for _ in range(5):
                writer.write(picture)
        page = browser.new_page()
        data = base64.b64encode(path.read_bytes()).decode()
        page.set_content(f'<video muted src="data:video/{codec.suffix[1:]};base64,{data}">')
        return page.evaluate(PLAY)

    return play


def test_the_codec_of_choice_plays(play):
    seconds, height, colors = play(choose_codec())
    assert seconds == pytest.approx(0.4, abs=0.05)
    assert height == 32
    assert np.abs(np.array(colors) - COLORS).max() < 12


def test_only_what_is_said_to_play_does(play):
    for codec in CODECS.values():
        if works(codec):
            assert (play(codec) is not None) == ("not browsers" not in codec.plays)
