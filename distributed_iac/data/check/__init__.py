"""Checking a raw data set: what it is, what it holds, and everything that is wrong with it.

::

    report = check_source(read_source(path), workers=4)
    summary = summarise(report)
    for problem in report.problems:
        print(problem)
"""
