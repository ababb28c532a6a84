"""A synthetic CT series of a chest: what ``hilum demo`` sends, so that the first trial needs nobody's images.

``series`` writes the DICOM files, ``thorax`` knows the anatomy, ``plane`` is the canvas it is painted on. Only
``series`` may be imported where numpy is perhaps missing.
"""

from hilum.cli.phantom.series import Series, write_series

__all__ = ["Series", "write_series"]
