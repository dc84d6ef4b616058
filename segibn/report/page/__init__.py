"""The report as one HTML file: what was measured in, text of a self-contained page out.

Everything here needs NumPy and Pillow alone; whoever has a network hands over predicted frames.
"""

from segibn.report.page.build import build_page
from segibn.report.page.content import FrameView, Report, RunEntry

__all__ = ["FrameView", "Report", "RunEntry", "build_page"]
