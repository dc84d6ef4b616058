"""Charts of the report: data in, self-contained HTML and SVG out, without JavaScript.

All functions are pure and need NumPy alone; every text that they are given is escaped. The page
that holds the fragments includes ``chart_css()`` once.
"""

from segibn.report.charts.class_rows import (
    ClassResults,
    ClassRow,
    boundary_results,
    class_results,
)
from segibn.report.charts.confusion import confusion_matrix
from segibn.report.charts.cross_domain import cross_domain_table
from segibn.report.charts.curve import Curve, read_curve
from segibn.report.charts.differences import difference_chart
from segibn.report.charts.iou_bars import iou_bars
from segibn.report.charts.learning_curves import learning_curves
from segibn.report.charts.markup import anchor
from segibn.report.charts.reliability import reliability_diagram
from segibn.report.charts.step_time import step_time_bars
from segibn.report.charts.style import chart_css

__all__ = [
    "ClassResults",
    "ClassRow",
    "Curve",
    "anchor",
    "boundary_results",
    "chart_css",
    "class_results",
    "confusion_matrix",
    "cross_domain_table",
    "difference_chart",
    "iou_bars",
    "learning_curves",
    "read_curve",
    "reliability_diagram",
    "step_time_bars",
]
