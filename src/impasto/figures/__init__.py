"""The figures of the paper: what they show (``paper.py``), painting it so that a run that was stopped goes on
(``panels.py``), what is measured in it (``measures.py``), and the sheets and the report (``sheets.py``, ``report.py``).
"""
